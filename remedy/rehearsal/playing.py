"""Plays the tests of a file, moment by moment, and says what came otherwise than expected."""

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.decision import by_hand, operators
from bridge.decision.payload import Alert, Notification, parse_notification
from bridge.escalation.stories import moment as rfc3339
from bridge.ledger import runs
from bridge.ledger.runs import Outcome, RunState
from bridge.policy.remediation import Policy
from remedy.config.durations import format_duration
from remedy.rehearsal.comparing import Difference, compare
from remedy.rehearsal.keys import Labels, Moment
from remedy.rehearsal.reading import ALL, Script, body_of
from remedy.rehearsal.record import Record
from remedy.rehearsal.stage import RestlessError, Stage, staged

_WHO = "the test"


@dataclass(frozen=True)
class Failure:
    """One thing that came otherwise."""

    line: int | None
    at: str
    what: str
    """`decisions`, `runs`, `told`, or why the moment could not be played."""
    difference: Difference | None = None


class _CannotPlayError(Exception):
    """What a moment wants cannot be; the message says why."""


def play(script: Script, number: int) -> list[Failure]:
    """Play one test of a script; it ends with the first moment at which something came otherwise."""
    test = script.tests[number]
    with staged(script.policy, test) as stage:
        record = Record(stage, script.policy)
        for i, moment in enumerate(test.timeline):
            failures = list(_play(script, stage, record, moment, ("tests", number, "timeline", i)))
            if failures:
                return failures
    return []


def _play(
    script: Script, stage: Stage, record: Record, moment: Moment, path: tuple[str | int, ...]
) -> Iterator[Failure]:
    at = format_duration(moment.at)
    try:
        stage.pass_until(stage.start + moment.at.total_seconds())
        _happen(script, stage, moment)
        stage.settle()
    except (_CannotPlayError, RestlessError, by_hand.WishError) as wrong:
        yield Failure(script.line(*path), at, str(wrong))
        return
    for what, rows in record.news().items():
        expected = getattr(moment, what)
        difference = None if expected is None else compare(expected, rows)
        if difference is not None:
            yield Failure(script.line(*path, what), at, what, difference)


def _happen(script: Script, stage: Stage, moment: Moment) -> None:
    """Let everything happen that a moment says: notifications, then the world, then what people say."""
    body = body_of(moment, script.file.parent)
    if body is not None:
        stage.notify(parse_notification(body))
    fired = [_alert(stage, labels) for labels in moment.fire]
    ended = [alert for labels in moment.resolve for alert in _over(stage, labels)]
    if fired or ended:
        stage.notify(Notification("", "test", "", 0, alerts=[*fired, *ended], malformed=[]))
    stage.world.change(moment)
    stage.fate.words.update(moment.attempts)
    for say in _words(script.policy, moment, stage.now):
        stage.ledger.write(say)


def _alert(stage: Stage, labels: Labels) -> Alert:
    """Fire anew, or notify again what fires already."""
    known = [alert for alert in stage.world.having(labels) if alert.labels == labels]
    return (
        known[0]
        if known
        else Alert.model_validate({"status": "firing", "labels": labels, "startsAt": rfc3339(stage.now)})
    )


def _over(stage: Stage, labels: Labels) -> Sequence[Alert]:
    found = stage.world.having(labels)
    if not found:
        raise _CannotPlayError(f"resolve: nothing that fires has the labels {labels}")
    return [alert.model_copy(update={"status": "resolved", "ends_at": stage.now}) for alert in found]


def _words(policy: Policy, moment: Moment, now: float) -> Iterator[Callable[[Connection], object]]:
    """Yield what people say, each as work for the ledger."""
    if (pause := moment.pause) is not None:
        seconds = None if pause.for_ is None else pause.for_.total_seconds()
        yield lambda c: operators.pause(c, pause.remediation, pause.reason, seconds, now)
    if (name := moment.resume) is not None:
        yield lambda c: operators.resume(c, "" if name == ALL else name, now)
    if (breaker := moment.reset_breaker) is not None:
        yield lambda c: operators.reset_breaker(c, None if breaker == ALL else breaker, now)
    for word in ("approve", "deny", "cancel"):
        remediation = getattr(moment, word)
        if remediation is not None:
            yield functools.partial(_say, word=word, remediation=remediation, now=now)
    fixed = None if moment.fix is None else policy.named(moment.fix.remediation)
    if fixed is not None and (fix := moment.fix) is not None:
        wish = by_hand.wish(fixed, fix.target, fix.labels, _WHO)
        yield lambda c: by_hand.ask(c, wish, now)


def _say(connection: Connection, word: str, remediation: str, now: float) -> None:
    """Say a word on every run of a remediation that it can be said of."""
    said = False
    for run in runs.unended(connection):
        if run.remediation != remediation:
            continue
        if word == "approve":
            said |= run.state is RunState.AWAITING_APPROVAL and operators.approve(connection, run, _WHO, now)
        else:
            outcome = Outcome.DENIED if word == "deny" else Outcome.CANCELLED
            said |= operators.end(connection, run, outcome, _WHO, now)
    if not said:
        raise _CannotPlayError(f"{word}: no run of {remediation} is there of which that can be said")
