"""Telling people of what has been open for too long: unresolved, critical and not begun, or with nobody who answers.

Whoever was told is not told again: the outbox sees to that. What is remembered here only spares looking twice.
"""

from collections.abc import Iterable, Sequence

from sqlalchemy import Connection

from bridge.decision.gates import Verdict
from bridge.escalation import levels
from bridge.escalation.levels import Heard
from bridge.ledger import controls, decisions, episodes, outbox, runs
from bridge.ledger.schema import AnyRow
from bridge.ledger.store import Ledger
from bridge.policy.remediation import Policy, Remediation

NO_FIRST_STEP, NO_ANSWER = "no_first_step", "no_answer"
"""Levels of their own, told to everybody whom the remediation tells at all."""
_CRITICAL = "critical"
_FIRST_STEP_SECONDS = 300.0
"""So long may an episode of severity `critical` stay without a first step before people are told."""
NO_ANSWER_SECONDS = 300.0
"""So long may one be held because nobody can say whether it fires."""
_TELL_AGAIN_SECONDS = 3600.0


class Overdue:
    """Finds episodes when they reach an age at which somebody is told; each is read once for each age."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._looked: tuple[Policy, float] | None = None

    def forget(self) -> None:
        """Look anew at everything that is old."""
        self._looked = None

    def tell(self, policy: Policy, now: float) -> None:
        """Tell people of what has reached an age since the last look (or ever, with another configuration)."""
        since = self._looked[1] if self._looked and self._looked[0] is policy else None
        ages = {_FIRST_STEP_SECONDS, *levels.unresolved_times(policy.remediations)}
        with self._ledger.read() as connection:
            found = set().union(
                *(episodes.reached(connection, now - age, None if since is None else since - age) for age in ages)
            )
        if found:
            self._ledger.write(lambda connection: _tell_of_old(connection, sorted(found), policy, now))
        self._looked = (policy, now)

    def tell_of_unknown(self, ids: Sequence[int], policy: Policy, now: float) -> None:
        """Tell people of those of these that have long been held because nobody can say whether they fire."""
        with self._ledger.read() as connection:
            held = [
                row
                for row in decisions.with_episodes(connection, ids)
                if row.decision == Verdict.NOT_FIRING and now - row.at >= NO_ANSWER_SECONDS
            ]
        if held:
            self._ledger.write(lambda connection: _tell_of_unknown(connection, held, policy, now))


def _tell_of_old(connection: Connection, ids: Sequence[int], policy: Policy, now: float) -> None:
    """Of all that an open breaker holds the first is told: a fleet that fell over would be thousands of messages."""
    begun, opened, known = runs.begun(connection, ids), controls.opened(connection), _Known(connection)
    for row, remediation in _telling(decisions.with_episodes(connection, ids), policy):
        episode = episodes.episode(row)
        age = now - episode.received_at
        heard: Heard = {}
        if row.run_id is None and (since := opened.get(row.remediation)) is not None:
            heard = known.since(since, row.remediation)
        tell = (connection, episode, remediation, row.run_id)
        what = f"unresolved for {age:.0f} s"
        new = levels.escalate(*tell, what=what, when=levels.unresolved(age), now=now, heard=heard)
        late = episode.labels.get("severity") == _CRITICAL and age >= _FIRST_STEP_SECONDS
        if late and episode.id not in begun:
            what = f"critical, and no fix has begun for {age:.0f} s: {row.reason}"
            new += levels.escalate_apart(*tell, level=NO_FIRST_STEP, what=what, now=now, heard=heard)
        if new:
            known.forget(row.remediation)


def _tell_of_unknown(connection: Connection, rows: Iterable[AnyRow], policy: Policy, now: float) -> None:
    """Of all that a remediation waits for one is told in an hour: while Prometheus is down that is all that fires."""
    known = _Known(connection)
    for row, remediation in _telling(rows, policy):
        heard: Heard = {}
        if row.run_id is None:
            heard = {NO_ANSWER: known.since(now - _TELL_AGAIN_SECONDS, row.remediation).get(NO_ANSWER, ())}
        what = f"held for {now - row.at:.0f} s, since nobody can say whether the alert fires: {row.reason}"
        about = (connection, episodes.episode(row), remediation, row.run_id)
        if levels.escalate_apart(*about, level=NO_ANSWER, what=what, now=now, heard=heard):
            known.forget(row.remediation)


class _Known:
    """What has been told of a remediation's episodes, read once as long as nothing more is told."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._heard: dict[str, Heard] = {}

    def since(self, moment: float, remediation: str) -> Heard:
        if remediation not in self._heard:
            self._heard[remediation] = outbox.heard(self._connection, remediation, moment)
        return self._heard[remediation]

    def forget(self, remediation: str) -> None:
        self._heard.pop(remediation, None)


def _telling(rows: Iterable[AnyRow], policy: Policy) -> list[tuple[AnyRow, Remediation]]:
    """Return those of which a remediation tells somebody."""
    found = ((row, policy.named(row.remediation)) for row in rows)
    return [(row, remediation) for row, remediation in found if remediation is not None and remediation.escalate]
