"""Escalations that wait for delivery. Each level is told once for an episode, and none is lost in a crash."""

from dataclasses import dataclass
from enum import StrEnum

from sqlalchemy import Connection, func, insert, select, update

from bridge.decision.facts import Episode
from bridge.ledger.episodes import episode
from bridge.ledger.schema import episodes, escalations


class DeliveryState(StrEnum):
    """Where an escalation stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
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
    tries: int
    run_id: int | None
    episode: Episode


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


def due(connection: Connection, now: float, limit: int = 20) -> list[Escalation]:
    """Return what is to be delivered now."""
    query = (
        select(escalations, episodes)
        .join(episodes, episodes.c.id == escalations.c.episode_id)
        .where(escalations.c.due_at <= now)
        .order_by(escalations.c.due_at)
        .limit(limit)
    )
    return [
        Escalation(
            row.id, row.remediation, row.level, row.notifier, row.title, row.story, row.tries, row.run_id, episode(row)
        )
        for row in connection.execute(query)
    ]


def next_due(connection: Connection) -> float | None:
    """Return when the next delivery is due."""
    first: float | None = connection.scalar(select(func.min(escalations.c.due_at)))
    return first


def delivered(connection: Connection, id_: int) -> None:
    """Note that it arrived."""
    _set(connection, id_, state=DeliveryState.DELIVERED, due_at=None, error=None)


def failed(connection: Connection, id_: int, tries: int, error: str, due_at: float | None) -> None:
    """Note that it did not arrive; without a due time it is dead."""
    state = DeliveryState.DEAD if due_at is None else DeliveryState.PENDING
    _set(connection, id_, state=state, tries=tries, due_at=due_at, error=error)


def _set(connection: Connection, id_: int, **values: object) -> None:
    connection.execute(update(escalations).where(escalations.c.id == id_).values(**values))
