"""How long the record is kept: what ended before a moment goes, a little at a time, oldest first."""

from sqlalchemy import Connection, delete, select

from bridge.ledger.schema import UNENDED, attempts, decisions, episodes, escalations, runs, steps

AT_ONCE = 100
"""Episodes that go in one transaction: about 10 ms, in which nobody else can write."""


def forget(connection: Connection, before: float, limit: int = AT_ONCE) -> int:
    """Delete episodes that closed before a moment, with all that hangs on them.

    Returns how many: `limit` where there may be more.

    Episodes whose run has not ended, or whose escalation has not been delivered, are kept.
    """
    unended = select(runs.c.episode_id).where(UNENDED)
    untold = select(escalations.c.episode_id).where(escalations.c.due_at.is_not(None))
    old = (
        select(episodes.c.id)
        .where(episodes.c.closed_at < before, episodes.c.id.not_in(unended), episodes.c.id.not_in(untold))
        .order_by(episodes.c.closed_at)
        .limit(limit)
    )
    ids = list(connection.scalars(old))
    if ids:
        of_these = select(runs.c.id).where(runs.c.episode_id.in_(ids))
        for table in (steps, attempts):
            connection.execute(delete(table).where(table.c.run_id.in_(of_these)))
        for table in (escalations, decisions, runs):
            connection.execute(delete(table).where(table.c.episode_id.in_(ids)))
        connection.execute(delete(episodes).where(episodes.c.id.in_(ids)))
    nobodys = (
        select(decisions.c.id).where(decisions.c.episode_id.is_(None), decisions.c.looked_at < before).limit(limit)
    )
    malformed = connection.execute(delete(decisions).where(decisions.c.id.in_(nobodys))).rowcount
    return max(len(ids), malformed)
