"""What becomes of the ledger's times when the machine's clock is set: no hold may end early, nor last longer."""

import contextlib
from typing import Any

from sqlalchemy import Column, Connection, delete, func, insert, or_, select, update

from bridge.ledger.schema import (
    UNCLOSED,
    UNENDED,
    attempts,
    breaker_resets,
    breakers,
    decisions,
    episodes,
    escalations,
    meta,
    pauses,
    runs,
    steps,
)

_KEY, _FORWARD = "clock", "put_forward"
_HELD = decisions.c.due_at.is_not(None)


def remember(connection: Connection, boot: str, monotonic: float, wall: float) -> None:
    """Write down what the time of day was at a moment of the clock that counts from a start of the machine."""
    connection.execute(delete(meta).where(meta.c.key == _KEY))
    connection.execute(insert(meta).values(key=_KEY, value=f"{boot} {monotonic:.3f} {wall:.3f}"))


def jumped(connection: Connection, boot: str, monotonic: float, wall: float) -> float | None:
    """Return by how much the time of day has jumped since `remember`; None: the machine was started since."""
    noted = connection.scalar(select(meta.c.value).where(meta.c.key == _KEY)) or ""
    with contextlib.suppress(ValueError):
        name, before, wall_before = noted.split(" ")
        if boot and name == boot:
            return (wall - float(wall_before)) - (monotonic - float(before))
    return None


def note_forward(connection: Connection, boot: str, by: float) -> None:
    """Add to how far the clock was put forward since the machine was started; one that is put back takes from it."""
    so_far = put_forward(connection, boot)
    connection.execute(delete(meta).where(meta.c.key == _FORWARD))
    connection.execute(insert(meta).values(key=_FORWARD, value=f"{boot} {max(0.0, so_far + by):.3f}"))


def put_forward(connection: Connection, boot: str) -> float:
    """Return by how many seconds what was written before seems older than it is, because the clock was put forward."""
    noted = connection.scalar(select(meta.c.value).where(meta.c.key == _FORWARD)) or ""
    with contextlib.suppress(ValueError):
        name, by = noted.split(" ")
        if boot and name == boot:
            return float(by)
    return 0.0


def ahead(connection: Connection, now: float) -> float:
    """Return by how many seconds the ledger's latest time is ahead of `now`, after a start with another clock."""
    latest = [
        connection.scalar(select(func.max(decisions.c.looked_at)).where(_HELD)),
        connection.scalar(select(func.max(runs.c.slot_at))),
        connection.scalar(select(func.max(episodes.c.received_at)).where(UNCLOSED)),
    ]
    return max(0.0, max((moment for moment in latest if moment is not None), default=now) - now)


def shift(connection: Connection, by: float, after: float) -> None:
    """Move by a known jump whatever decisions still depend on: what is not over, or happened after that moment.

    Times and their ages then are what they would have been, had the clock always been right.
    """
    lately = or_(UNENDED, runs.c.ended_at > after)
    of_those = select(runs.c.id).where(lately)
    for table in (steps, attempts):
        _move(connection, by, table.c.run_id.in_(of_those), table.c.started_at, table.c.ended_at)
    _move(connection, by, lately, *(runs.c[name] for name in _OF_A_RUN))
    lately = or_(UNCLOSED, episodes.c.received_at > after, episodes.c.closed_at > after)
    _move(connection, by, lately, *(episodes.c[name] for name in _OF_AN_EPISODE))
    _move(connection, by, _HELD, decisions.c.at, decisions.c.looked_at, decisions.c.due_at)
    _move(connection, by, pauses.c.at.is_not(None), pauses.c.at, pauses.c.until)
    _move(connection, by, breakers.c.at.is_not(None), breakers.c.at)
    _move(connection, by, breaker_resets.c.at.is_not(None), breaker_resets.c.at)
    _move(connection, by, or_(escalations.c.due_at.is_not(None), escalations.c.at > after), *_OF_AN_ESCALATION)


def set_back(connection: Connection, by: float, now: float) -> None:
    """Where the clock was set back nobody knows when: move what is to come; what is past was now at the latest."""
    for column, of in (
        (decisions.c.due_at, _HELD),
        (runs.c.due_at, UNENDED),
        (pauses.c.until, pauses.c.until.is_not(None)),
        (escalations.c.due_at, escalations.c.due_at.is_not(None)),
    ):
        connection.execute(update(column.table).where(of, column > now).values({column.name: column - by}))
    past = (runs.c.slot_at, runs.c.ended_at, episodes.c.received_at, episodes.c.notified_at)
    for column in (*past, breakers.c.at, breaker_resets.c.at):
        connection.execute(update(column.table).where(column > now).values({column.name: now}))
    seen = episodes.c.seen_active_at
    connection.execute(update(episodes).where(UNCLOSED, seen > now).values(seen_active_at=now))
    connection.execute(update(decisions).where(_HELD, decisions.c.at > now).values(at=now))


def _move(connection: Connection, by: float, which: Any, *columns: Column[Any]) -> None:
    """Add to times; one that is not set stays so."""
    moved = {column.name: column + by for column in columns}
    connection.execute(update(columns[0].table).where(which).values(moved))


_OF_A_RUN = ("created_at", "slot_at", "started_at", "ended_at", "due_at")
_OF_AN_EPISODE = ("received_at", "notified_at", "closed_at", "seen_active_at")
_OF_AN_ESCALATION = (escalations.c.at, escalations.c.due_at)
