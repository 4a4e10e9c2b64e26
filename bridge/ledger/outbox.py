"""Escalations that wait for delivery. Each level is told once for an episode, and none is lost in a crash."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, exists, insert, select, update

from bridge.decision.facts import Episode
from bridge.ledger.episodes import EPISODE, EpisodeState, episode
from bridge.ledger.schema import DELIVERED, episodes, escalations


class DeliveryState(StrEnum):
    """Where an escalation stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    ENDING = "ending"
    """It was delivered, and now those who heard of it are to be told that it is over."""
    OVER = "over"
    """Those who heard of it know, or need not be told, that it is over."""
    DEAD = "dead"
    """It cannot be delivered, or was tried too often: the record keeps it."""


@dataclass(frozen=True)
class Escalation:
    """One message to one notifier."""

    id: int
    remediation: str
    level: str
    notifier: str
    title: str
    story: str
    state: DeliveryState
    tries: int
    run_id: int | None
    episode: Episode
    close_reason: str


def put(
    connection: Connection,
    *,
    about: tuple[Episode, str, int | None],
    level: str,
    notifiers: tuple[str, ...],
    text: tuple[str, str],
    now: float,
) -> int:
    """Queue a level's message (title, story) to its notifiers, about (episode, remediation, run).

    Returns how many are new.
    """
    told, remediation, run_id = about
    new = untold(connection, about, level, notifiers)
    for name in new:
        keys = {"episode_id": told.id, "remediation": remediation, "run_id": run_id, "level": level, "notifier": name}
        fresh = {"state": DeliveryState.PENDING, "tries": 0, "due_at": now, "at": now}
        connection.execute(insert(escalations).values(title=text[0], story=text[1], **keys, **fresh))
    return len(new)


def untold(
    connection: Connection, about: tuple[Episode, str, int | None], level: str, notifiers: tuple[str, ...]
) -> list[str]:
    """Return those notifiers that have not been told of a level."""
    told, remediation, _ = about
    known = select(escalations.c.notifier).where(
        escalations.c.episode_id == told.id, escalations.c.remediation == remediation, escalations.c.level == level
    )
    already = set(connection.scalars(known))
    return [name for name in dict.fromkeys(notifiers) if name not in already]


def has_told(connection: Connection, fingerprint: str, remediation: str, level: str, since: float) -> bool:
    """Tell whether a level was told since then for any episode of an alert."""
    query = (
        select(escalations.c.id)
        .join(episodes, episodes.c.id == escalations.c.episode_id)
        .where(
            episodes.c.fingerprint == fingerprint,
            escalations.c.remediation == remediation,
            escalations.c.level == level,
            escalations.c.at > since,
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def heard(connection: Connection, remediation: str, since: float) -> dict[str, set[str]]:
    """Return which notifiers have been told of each level since then, of any episode of a remediation without a run."""
    query = select(escalations.c.level, escalations.c.notifier).where(
        escalations.c.remediation == remediation,
        escalations.c.run_id.is_(None),
        escalations.c.at >= since,
        escalations.c.state != DeliveryState.DEAD,
    )
    found: dict[str, set[str]] = {}
    for level, notifier in connection.execute(query.distinct()):
        found.setdefault(level, set()).add(notifier)
    return found


def waiting(connection: Connection, now: float) -> list[str]:
    """Return the notifiers for which something is due."""
    return list(connection.scalars(select(escalations.c.notifier).where(escalations.c.due_at <= now).distinct()))


def first_due(connection: Connection, notifier: str, now: float) -> Escalation | None:
    """Return what has been due for a notifier for longest; what was told of an episode before it comes first."""
    earlier = escalations.alias()
    waits = exists().where(
        earlier.c.episode_id == escalations.c.episode_id,
        earlier.c.notifier == notifier,
        earlier.c.id < escalations.c.id,
        earlier.c.due_at.is_not(None),
    )
    query = (
        select(*_MESSAGE, *EPISODE, episodes.c.close_reason)
        .join(episodes, episodes.c.id == escalations.c.episode_id)
        .where(escalations.c.due_at <= now, escalations.c.notifier == notifier, ~waits)
        .order_by(escalations.c.due_at, escalations.c.id)
        .limit(1)
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Escalation(
        row.id,
        row.remediation,
        row.level,
        row.notifier,
        row.title,
        row.story,
        DeliveryState(row.state),
        row.tries,
        row.run_id,
        episode(row),
        row.close_reason or "",
    )


def ended(connection: Connection, limit: int = 500) -> list[int]:
    """Return delivered messages whose episode has closed since, where its notifier has been given all others too."""
    other = escalations.alias()
    waits = exists().where(
        other.c.episode_id == escalations.c.episode_id,
        other.c.notifier == escalations.c.notifier,
        other.c.state == DeliveryState.PENDING,
    )
    query = (
        select(escalations.c.id)
        .join(episodes, episodes.c.id == escalations.c.episode_id)
        .where(DELIVERED, episodes.c.state == EpisodeState.CLOSED, ~waits)
        .limit(limit)
    )
    return list(connection.scalars(query))


def end(connection: Connection, ids: Iterable[int], now: float) -> None:
    """Queue the news that it is over; who was told of several levels is told that once."""
    rows = connection.execute(
        select(escalations).where(DELIVERED, escalations.c.id.in_(ids)).order_by(escalations.c.id)
    )
    newest = {(row.episode_id, row.remediation, row.notifier): row.id for row in rows}
    _set(connection, ids, state=DeliveryState.OVER)
    _set(connection, newest.values(), state=DeliveryState.ENDING, tries=0, due_at=now)


def raised_again(connection: Connection, escalation: Escalation) -> bool:
    """Tell whether the same notifier was told, or is to be told, of a later episode of the same alert."""
    query = (
        select(escalations.c.id)
        .join(episodes, episodes.c.id == escalations.c.episode_id)
        .where(
            episodes.c.fingerprint == escalation.episode.fingerprint,
            escalations.c.remediation == escalation.remediation,
            escalations.c.notifier == escalation.notifier,
            escalations.c.episode_id > escalation.episode.id,
            escalations.c.state.in_([DeliveryState.PENDING, DeliveryState.DELIVERED]),
        )
    )
    return connection.execute(query.limit(1)).first() is not None


def done(connection: Connection, escalation: Escalation) -> None:
    """Note that it arrived."""
    state = DeliveryState.DELIVERED if escalation.state is DeliveryState.PENDING else DeliveryState.OVER
    _set(connection, [escalation.id], state=state, due_at=None, error=None)


def failed(connection: Connection, escalation: Escalation, tries: int, error: str, due_at: float | None) -> None:
    """Note that it did not arrive; without a due time it is dead."""
    state = DeliveryState.DEAD if due_at is None else escalation.state
    _set(connection, [escalation.id], state=state, tries=tries, due_at=due_at, error=error)


def _set(connection: Connection, ids: Iterable[int], **values: object) -> None:
    connection.execute(update(escalations).where(escalations.c.id.in_(ids)).values(**values))


_MESSAGE = [column for column in escalations.c if column.name != "episode_id"]
"""Its episode's own columns say which one that is."""
