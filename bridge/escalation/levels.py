"""Who is told when: the levels of a remediation, each once for an episode, into the outbox in the same transaction."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from sqlalchemy import Connection

from bridge.decision.facts import Episode
from bridge.escalation import stories
from bridge.ledger import outbox
from bridge.policy.config import EscalationLevel
from bridge.policy.remediation import Policy, Remediation, route

When = Callable[[EscalationLevel], bool]
Heard = Mapping[str, Collection[str]]
"""Who has heard of a level already, of another episode that stands for this one too."""
_NOTHING: Heard = {}
DATA_LOSS = "data_loss"
FLAPPING = "flapping"
"""What the message is called that an alert keeps coming back, whichever level it went to."""


def escalate(
    connection: Connection,
    episode: Episode,
    remediation: Remediation,
    run_id: int | None,
    *,
    what: str,
    when: When,
    now: float,
    heard: Heard = _NOTHING,
) -> int:
    """Queue the levels whose time has come; return how many messages are new."""
    new = 0
    about = (episode, remediation.name, run_id)
    for level in _chosen(remediation, when):
        name = FLAPPING if when is when_flapping else spell(level)
        to = tuple(each for each in level.to if each not in heard.get(name, ()))
        if outbox.untold(connection, about, name, to):
            text = (
                stories.title(episode, remediation.name, what),
                stories.story(connection, episode, run_id, remediation.runbook_url),
            )
            new += outbox.put(connection, about=about, level=name, notifiers=to, text=text, now=now)
    return new


def escalate_apart(
    connection: Connection,
    episode: Episode,
    remediation: Remediation,
    run_id: int | None,
    *,
    level: str,
    what: str,
    now: float,
    heard: Heard = _NOTHING,
) -> int:
    """Queue a message of a level of its own to everybody whom the remediation tells at all, and who heard nothing."""
    know = set().union(*heard.values())
    everybody = tuple(dict.fromkeys(name for each in remediation.escalate for name in each.to if name not in know))
    about = (episode, remediation.name, run_id)
    if not outbox.untold(connection, about, level, everybody):
        return 0
    text = (
        stories.title(episode, remediation.name, what),
        stories.story(connection, episode, run_id, remediation.runbook_url),
    )
    return outbox.put(connection, about=about, level=level, notifiers=everybody, text=text, now=now)


def tell_at_once(connection: Connection, opened: Sequence[Episode], policy: Policy, now: float) -> int:
    """Tell people of suspected data loss, and whom `unresolved_for: 0s` names, in the transaction that opens episodes.

    Returns how many messages.
    """
    told_now = unresolved(0)
    levels = (level for remediation in policy.remediations for level in remediation.escalate)
    marked = any(level.data_loss or told_now(level) for level in levels)
    new = 0
    for episode in opened if marked else ():
        for remediation in route(policy.remediations, episode.labels):
            what = "data may have been lost"
            new += escalate(connection, episode, remediation, None, what=what, when=suspected_loss, now=now)
            what = "it has begun" if remediation.auto_fix else "it has begun, and nothing is done by itself"
            new += escalate(connection, episode, remediation, None, what=what, when=told_now, now=now)
    return new


def escalate_to(
    connection: Connection,
    episode: Episode,
    remediation: Remediation,
    run_id: int | None,
    notifiers: tuple[str, ...],
    *,
    what: str,
    now: float,
) -> int:
    """Queue what a step wants to be told, once for each message of an episode; return how many messages are new."""
    text = (
        stories.title(episode, remediation.name, what),
        stories.story(connection, episode, run_id, remediation.runbook_url),
    )
    about = (episode, remediation.name, run_id)
    return outbox.put(connection, about=about, level=f"alert: {what}", notifiers=notifiers, text=text, now=now)


def told_of_flapping(connection: Connection, episode: Episode, remediation: str, since: float) -> bool:
    """Tell whether people have heard since then that this alert keeps coming back, in whichever episode."""
    return outbox.has_told(connection, episode.fingerprint, remediation, FLAPPING, since)


def after(attempts: int) -> When:
    """Choose the levels of this many failed attempts."""
    return lambda level: level.after_attempts is not None and level.after_attempts <= attempts


def at_the_end(level: EscalationLevel) -> bool:
    """Choose every level that waits for failed attempts: there will be no further one."""
    return level.after_attempts is not None


def when_flapping(level: EscalationLevel) -> bool:
    """Choose the levels for what keeps coming back; where a remediation has none, those for failed attempts."""
    return level.flapping is True or level.after_attempts is not None


def suspected_loss(level: EscalationLevel) -> bool:
    """Choose the levels that are told at once, because data may have been lost."""
    return level.data_loss is True


def unresolved(seconds: float) -> When:
    """Choose the levels of an episode that has been open for this long."""
    return lambda level: level.unresolved_for is not None and level.unresolved_for.total_seconds() <= seconds


def unresolved_times(remediations: Iterable[Remediation]) -> set[float]:
    """Return after how many seconds any remediation escalates what is not resolved."""
    return {
        level.unresolved_for.total_seconds()
        for remediation in remediations
        for level in remediation.escalate
        if level.unresolved_for is not None
    }


def spell(level: EscalationLevel) -> str:
    """Name a level, so that it is told once."""
    if level.after_attempts is not None:
        return f"after_attempts:{level.after_attempts}"
    if level.unresolved_for is not None:
        return f"unresolved_for:{level.unresolved_for.total_seconds():g}s"
    return DATA_LOSS if level.data_loss else FLAPPING


def _chosen(remediation: Remediation, when: When) -> list[EscalationLevel]:
    levels = [level for level in remediation.escalate if when(level)]
    own = [level for level in levels if level.flapping] if when is when_flapping else []
    return own or levels
