"""A person runs one remediation by hand: an episode of its own, through the same gates, and now or not at all.

No alert is there, so nobody is asked whether it fires or is silenced; whoever asks has approved it. What would hold an
alert's fix refuses this one: nobody expects a run by hand to begin later, when nobody is looking any more.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import uuid4

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import Connection

from bridge.decision.facts import Episode
from bridge.decision.gates import Case, Decision, Verdict
from bridge.decision.payload import Labels, fingerprint
from bridge.ledger import decisions, episodes
from bridge.policy import templates
from bridge.policy.remediation import Remediation

WITHIN_SECONDS = 60.0
"""What could not be decided within this time, because the bridge was down, is not run any more."""
_LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)


class WishError(ValueError):
    """It cannot be run like this; the message says what to change."""


@dataclass(frozen=True)
class Wish:
    """What somebody wants to be run."""

    remediation: Remediation
    host: str
    target: str
    labels: Mapping[str, str]
    who: str
    reason: str = ""


def wish(remediation: Remediation, target: str, given: Mapping[str, str], who: str, reason: str = "") -> Wish:
    """Fill in what an alert would have brought: the labels that the matchers name, and the host.

    The host is what the labels give, else the part of the target before its first slash. A target that is only the host
    becomes the one that the labels give on it, so that cooldown and runs meet those of the alerts.

    Raises:
        WishError: a label contradicts a matcher, the target is another one, or a step lacks a label.
    """
    try:
        target = templates.acceptable(target.strip(), "the target")
    except templates.TemplateValueError as wrong:
        raise WishError(str(wrong)) from None
    if not target:
        raise WishError("the target is empty: it says on what to work")
    named = {matcher.name: matcher.value for matcher in remediation.matchers if matcher.op == "=" and matcher.value}
    labels = {**named, **given}
    for matcher in remediation.matchers:
        if matcher.name in labels and not matcher.matches(labels):
            raise WishError(f"the label {matcher.name} is not what {remediation.name} is for: it wants {matcher}")
    host = remediation.host_for(labels)
    if not host:
        host = target.partition("/")[0]
        labels = {"host": host, **labels}
    target = _whole_target(remediation, target, labels, host)
    _check(remediation, labels)
    return Wish(remediation, host, target, labels, who, reason)


def ask(connection: Connection, wanted: Wish, now: float) -> int:
    """Record what is wanted, due at once; return the id of its episode."""
    story = f"by hand, asked for by {wanted.who}{f': {wanted.reason}' if wanted.reason else ''}"
    mark = fingerprint({**wanted.labels, "by_hand": uuid4().hex})
    episode = Episode(0, mark, wanted.labels, {"summary": story}, now, now, now, by_hand=True)
    id_ = episodes.add_by_hand(connection, episode, wanted.who)
    decisions.add(connection, [(id_, wanted.remediation.name, wanted.host, wanted.target, None)], now)
    return id_


def now_or_never(case: Case, decision: Decision) -> Decision:
    """Make a decision on a first attempt final, and say who asked for it."""
    age = case.now - case.episode.received_at
    if age > WITHIN_SECONDS:
        why = f"it was asked for {age:.0f} s ago, and the bridge could not decide then: ask again"
        return Decision(Verdict.DENIED, why)
    asked = case.episode.annotations.get("summary", "by hand")
    if decision.verdict is Verdict.RUN:
        return Decision(decision.verdict, f"{decision.reason}: {asked}")
    return decision._replace(due=None)


def _whole_target(remediation: Remediation, target: str, labels: Mapping[str, str], host: str) -> str:
    """Return the target as an alert with these labels would have it.

    Raises:
        WishError: that is another one.
    """
    known = remediation.target_for(labels, host)
    if not known or known == target or target.startswith(f"{known}/"):
        return target
    if target == host and known.startswith(f"{host}/"):
        return known
    raise WishError(f"with these labels the target of {remediation.name} is {known!r}, not {target!r}")


def _check(remediation: Remediation, labels: Mapping[str, str]) -> None:
    try:
        _LABELS.validate_python(labels)
    except ValidationError as invalid:
        raise WishError(f"labels: {invalid.errors()[0]['msg'].removeprefix('Value error, ')}") from None
    for i, step in enumerate(remediation.steps):
        try:
            step.fill(labels)
        except ValueError as error:
            why = next(iter(str(error).splitlines()), "") if not isinstance(error, ValidationError) else _first(error)
            raise WishError(f"steps[{i}]: {step.action} cannot be filled: {why} (give labels)") from None


def _first(invalid: ValidationError) -> str:
    first = invalid.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg'].removeprefix('Value error, ')}"
