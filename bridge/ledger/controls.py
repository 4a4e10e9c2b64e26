"""What people set, and what the breaker does by itself: pauses and breakers, both kept over restarts."""

from sqlalchemy import Connection, delete, func, insert, or_, select

from bridge.ledger.runs import RunState
from bridge.ledger.schema import breaker_resets, breakers, pauses, runs
from bridge.metrics import State


def set_pause(connection: Connection, remediation: str, reason: str, until: float | None, now: float) -> None:
    """Pause one remediation, or everything with an empty name; a second pause replaces the first."""
    clear_pause(connection, remediation)
    connection.execute(insert(pauses).values(remediation=remediation, reason=reason, until=until, at=now))


def clear_pause(connection: Connection, remediation: str) -> bool:
    """End a pause; tell whether there was one."""
    return connection.execute(delete(pauses).where(pauses.c.remediation == remediation)).rowcount == 1


def open_breaker(connection: Connection, remediation: str, reason: str, now: float) -> bool:
    """Open a breaker; tell whether it was closed before."""
    if connection.scalar(select(breakers.c.at).where(breakers.c.remediation == remediation)) is not None:
        return False
    connection.execute(insert(breakers).values(remediation=remediation, reason=reason, at=now))
    return True


def opened(connection: Connection) -> dict[str, float]:
    """Return when each breaker opened that is open, by remediation."""
    return {row.remediation: row.at for row in connection.execute(select(breakers))}


def reset_breaker(connection: Connection, remediation: str | None, now: float) -> list[str]:
    """Close one breaker, or all of them, and let their windows begin anew; return the names of those that were open."""
    which = [] if remediation is None else [breakers.c.remediation == remediation]
    names = list(connection.scalars(select(breakers.c.remediation).where(*which)))
    connection.execute(delete(breakers).where(*which))
    connection.execute(delete(breaker_resets).where(breaker_resets.c.remediation.in_(names)))
    if names:
        connection.execute(insert(breaker_resets), [{"remediation": name, "at": now} for name in names])
    return names


def state(connection: Connection, remediations: list[str], now: float) -> State:
    """Return what the gauges show."""
    counts = {str(name): 0 for name in RunState if name is not RunState.ENDED}
    query = select(runs.c.state, func.count()).where(runs.c.state != RunState.ENDED).group_by(runs.c.state)
    counts |= {row.state: row[1] for row in connection.execute(query)}
    paused = select(func.count()).select_from(pauses).where(or_(pauses.c.until.is_(None), pauses.c.until > now))
    is_open = set(connection.scalars(select(breakers.c.remediation)))
    return State(counts, bool(connection.scalar(paused)), {name: name in is_open for name in {*remediations, *is_open}})
