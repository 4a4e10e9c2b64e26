"""What becomes of the ledger's times when the clock is set back: no hold may last longer than it was meant to."""

from sqlalchemy import Connection, func, select, update

from bridge.ledger.schema import UNCLOSED, UNENDED, decisions, episodes, escalations, pauses, runs


def ahead(connection: Connection, now: float) -> float:
    """Return by how many seconds the ledger's latest time is ahead of `now`, after a start with another clock."""
    waiting = decisions.c.due_at.is_not(None)
    latest = [
        connection.scalar(select(func.max(decisions.c.looked_at)).where(waiting)),
        connection.scalar(select(func.max(runs.c.slot_at))),
        connection.scalar(select(func.max(episodes.c.received_at)).where(UNCLOSED)),
    ]
    return max(0.0, max((moment for moment in latest if moment is not None), default=now) - now)


def set_back(connection: Connection, by: float, now: float) -> None:
    """Move what is still to come by as much as the clock was; what is past was now at the latest."""
    for column, of in (
        (decisions.c.due_at, decisions.c.due_at.is_not(None)),
        (runs.c.due_at, UNENDED),
        (pauses.c.until, pauses.c.until.is_not(None)),
        (escalations.c.due_at, escalations.c.due_at.is_not(None)),
    ):
        connection.execute(update(column.table).where(of, column > now).values({column.name: column - by}))
    for column in (runs.c.slot_at, runs.c.ended_at, episodes.c.received_at, episodes.c.notified_at):
        connection.execute(update(column.table).where(column > now).values({column.name: now}))
    seen = episodes.c.seen_active_at
    connection.execute(update(episodes).where(UNCLOSED, seen > now).values(seen_active_at=now))
    connection.execute(update(decisions).where(decisions.c.due_at.is_not(None), decisions.c.at > now).values(at=now))
