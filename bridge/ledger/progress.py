"""What has happened since somebody last looked: attempts, steps and runs, for those who tell it as it goes on."""

import math
from collections.abc import Iterable
from dataclasses import dataclass

from sqlalchemy import Connection, func, or_, select

from bridge.decision.facts import Episode
from bridge.ledger.decisions import rows_of
from bridge.ledger.episodes import EPISODE, EpisodeState, episode
from bridge.ledger.runs import Outcome
from bridge.ledger.schema import UNCLOSED, UNENDED, AnyRow, attempts, decisions, episodes, escalations, runs, steps

_STEPS = ("queued", "running")


def newest(connection: Connection, before: float = math.inf) -> tuple[int, int]:
    """Return the ids of the newest attempt and step that began before a moment."""
    attempt, step = (
        connection.scalar(select(func.max(table.c.id)).where(table.c.started_at < before)) or 0
        for table in (attempts, steps)
    )
    return attempt, step


def unended_attempts(connection: Connection, at: float) -> list[int]:
    """Return the ids of the attempts that had begun at a moment, and had not ended."""
    on = or_(attempts.c.ended_at.is_(None), attempts.c.ended_at >= at)
    return list(connection.scalars(select(attempts.c.id).where(attempts.c.started_at < at, on)))


def unended(connection: Connection) -> list[AnyRow]:
    """Return the runs that have not ended."""
    return list(connection.execute(select(runs).where(UNENDED).order_by(runs.c.id)).all())


def attempts_since(connection: Connection, id_: int) -> list[AnyRow]:
    """Return (attempt, the remediation of its run) for those that were begun since the one with this id."""
    query = select(attempts, runs.c.remediation).join(runs, runs.c.id == attempts.c.run_id)
    return list(connection.execute(query.where(attempts.c.id > id_).order_by(attempts.c.id)).all())


def attempts_of(connection: Connection, ids: Iterable[int]) -> list[AnyRow]:
    """Return (attempt, remediation, outcome and attempts of its run) as they stand now."""
    query = select(attempts, runs.c.remediation, runs.c.outcome, runs.c.attempts).join(
        runs, runs.c.id == attempts.c.run_id
    )
    return list(connection.execute(query.where(attempts.c.id.in_(list(ids))).order_by(attempts.c.id)).all())


def steps_since(connection: Connection, id_: int) -> list[AnyRow]:
    """Return (step, the remediation of its run) for those that were begun since the one with this id."""
    query = select(steps, runs.c.remediation).join(runs, runs.c.id == steps.c.run_id)
    return list(connection.execute(query.where(steps.c.id > id_, steps.c.attempt > 0).order_by(steps.c.id)).all())


def undecided(connection: Connection, now: float) -> bool:
    """Tell whether something that fires waits for a decision that is due."""
    open_ = episodes.c.state.in_((EpisodeState.OPEN, EpisodeState.BY_HAND))
    waits = (decisions.c.due_at <= now, decisions.c.run_id.is_(None), open_)
    query = select(decisions.c.id).join(episodes, episodes.c.id == decisions.c.episode_id).where(*waits)
    if connection.execute(query.limit(1)).first() is not None:
        return True
    late = select(runs.c.id).where(UNENDED, runs.c.state == "waiting", runs.c.due_at <= now)
    return connection.execute(late.limit(1)).first() is not None


def at_work(connection: Connection) -> bool:
    """Tell whether any run is in its steps."""
    query = select(runs.c.id).where(UNENDED, runs.c.state.in_(_STEPS))
    return connection.execute(query.limit(1)).first() is not None


def verifying(connection: Connection) -> set[int]:
    """Return the runs that are being verified."""
    return set(connection.scalars(select(runs.c.id).where(UNENDED, runs.c.state == "verifying")))


def untold(connection: Connection, now: float) -> bool:
    """Tell whether a message waits to be handed over now."""
    return connection.execute(select(escalations.c.id).where(escalations.c.due_at <= now).limit(1)).first() is not None


def fixed(connection: Connection) -> list[Episode]:
    """Return the open episodes whose run is proven to have helped."""
    query = select(*EPISODE).join(runs, runs.c.episode_id == episodes.c.id)
    helped = (UNCLOSED, episodes.c.state == EpisodeState.OPEN, runs.c.outcome == Outcome.FIXED)
    return [episode(row) for row in connection.execute(query.where(*helped))]


@dataclass(frozen=True)
class Open:
    """An open episode, and where it stands."""

    episode: Episode
    decisions: tuple[AnyRow, ...]
    """The current ones."""
    pending: bool
    """Something is still to come of it: it is held, or its run has not ended."""


def standing(connection: Connection) -> list[Open]:
    """Return every open episode."""
    query = select(*EPISODE).where(UNCLOSED, episodes.c.state == EpisodeState.OPEN).order_by(episodes.c.id)
    found = [episode(row) for row in connection.execute(query)]
    rows = rows_of(connection, [each.id for each in found])
    at_it = set(connection.scalars(select(runs.c.episode_id).where(UNENDED)))
    return [
        Open(
            each,
            tuple(rows.get(each.id, ())),
            each.id in at_it or any(row.due_at is not None for row in rows.get(each.id, ())),
        )
        for each in found
    ]
