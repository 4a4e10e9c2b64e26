"""Runs: one remediation at work on one episode. Their attempts and steps are in the journal."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from bridge.decision.facts import Candidate, Episode
from bridge.decision.gates import Verdict
from bridge.ledger import decisions
from bridge.ledger.episodes import EPISODE, EpisodeState, episode
from bridge.ledger.prepared import Prepared, among, listed
from bridge.ledger.schema import UNENDED, AnyRow, episodes, runs

_TO_SPARE = 3
"""So many more of those that wait for a slot are woken than there are slots: another gate may hold the first ones."""


class RunState(StrEnum):
    """Where a run stands."""

    AWAITING_APPROVAL = "awaiting_approval"
    QUEUED = "queued"
    RUNNING = "running"
    VERIFYING = "verifying"
    WAITING = "waiting"
    """For its next attempt."""
    ENDED = "ended"


class Outcome(StrEnum):
    """How a run ended."""

    FIXED = "fixed"
    UNVERIFIED = "unverified"
    FAILED = "failed"
    CANCELLED = "cancelled"
    INTERRUPTED = "interrupted"
    DENIED = "denied"
    DRY_RUN = "dry_run"


@dataclass(frozen=True)
class Run:
    """One remediation at work on one episode."""

    id: int
    remediation: str
    host: str
    target: str
    state: RunState
    attempts: int
    """Attempts that were begun."""
    episode: Episode
    episode_open: bool
    reason: str = ""
    started_at: float | None = None
    """When its first step was journalled."""


@dataclass(frozen=True)
class End:
    """How one run ended."""

    run_id: int
    outcome: Outcome
    reason: str


def create(
    connection: Connection,
    candidate: Candidate,
    state: RunState,
    reason: str,
    now: float,
    *,
    due_at: float | None = None,
) -> Run:
    """Insert a run. One that is `running` has its slot and its first attempt: from now on it counts for the limits."""
    started = now if state is RunState.RUNNING else None
    attempts = int(started is not None)
    id_: Any = _NEW.value(
        connection,
        episode_id=candidate.episode.id,
        remediation=candidate.remediation,
        host=candidate.host,
        target=candidate.target,
        state=state,
        reason=reason,
        attempts=attempts,
        created_at=now,
        slot_at=started,
        started_at=started,
        due_at=due_at,
    )
    place = (candidate.remediation, candidate.host, candidate.target)
    return Run(id_, *place, state, attempts, candidate.episode, episode_open=True, started_at=started)


def unended(connection: Connection) -> list[Run]:
    """Return every run that has not ended, the oldest first."""
    return sorted((_run(row) for row in _UNENDED.rows(connection)), key=lambda run: run.id)


def begin(connection: Connection, run: Run, now: float) -> Run:
    """Begin the next attempt of a run that waited; with its first it gets its slot."""
    fresh = {"slot_at": now, "started_at": now} if not run.attempts else {}
    values = {"state": RunState.RUNNING, "attempts": run.attempts + 1, "due_at": None, **fresh}
    change(connection, run.id, **values)
    started = run.started_at if run.attempts else now
    return replace(run, state=RunState.RUNNING, attempts=run.attempts + 1, started_at=started)


def put_back(connection: Connection, run: Run, attempts: int, now: float) -> None:
    """Let a run with so many attempts behind it pass the gates again; before the first it gives its slot back."""
    fresh = {"slot_at": None, "started_at": None} if not attempts else {}
    change(connection, run.id, state=RunState.WAITING, attempts=attempts, due_at=now, **fresh)


def due(connection: Connection, now: float) -> list[Run]:
    """Return the runs whose next attempt is due, or whose time for approval is up."""
    return [_run(row) for row in _DUE.rows(connection, now=now)]


def of_episode(connection: Connection, episode_id: int) -> list[Run]:
    """Return the runs of an episode that have not ended."""
    return [_run(row) for row in _OF_EPISODE.rows(connection, episode=episode_id)]


def get(connection: Connection, run_id: int) -> Run | None:
    """Return one run."""
    row = _THIS.row(connection, which=run_id)
    return _run(row) if row else None


def begun(connection: Connection, episode_ids: Iterable[int]) -> set[int]:
    """Return those episodes for which a first step was started."""
    return {row.episode_id for row in _BEGUN.rows(connection, ids=listed(episode_ids))}


def approve(connection: Connection, run_id: int, now: float) -> bool:
    """Let a run that awaits approval go on, through the gates again; tell whether there was one."""
    statement = (
        update(runs)
        .where(runs.c.id == run_id, runs.c.state == RunState.AWAITING_APPROVAL)
        .values(state=RunState.WAITING, due_at=now)
    )
    return connection.execute(statement).rowcount == 1


def change(connection: Connection, run_id: int, **values: Any) -> None:
    """Set columns of a run."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(**values))


def verify(connection: Connection, run_ids: Iterable[int]) -> None:
    """Note that the steps of these are done, and that it is being looked whether they helped."""
    _VERIFYING.each(connection, [{"which": id_} for id_ in run_ids])


def end(connection: Connection, run_id: int, outcome: Outcome, reason: str, now: float) -> bool:
    """End a run, and wake what waits for its host or its slot; tell whether it had not ended before."""
    return bool(end_all(connection, [End(run_id, outcome, reason)], now))


def end_all(connection: Connection, ends: Sequence[End], now: float) -> set[int]:
    """End several runs as `end` does; return the ids of those that had not ended before."""
    if not ends:
        return set()
    found = {row.id: row for row in _OPEN.rows(connection, ids=listed(end.run_id for end in ends))}
    ended = [end for end in ends if end.run_id in found]
    rows = [{"which": e.run_id, "how": e.outcome, "why": e.reason, "now": now} for e in ended]
    _END.each(connection, rows)
    over = [{"which": found[e.run_id].episode_id, "now": now, "why": f"its run ended: {e.outcome}"} for e in ended]
    _CLOSE_BY_HAND.each(connection, over)
    if found:
        hosts, targets = {row.host for row in found.values()}, {row.target for row in found.values()}
        decisions.wake_on(connection, Verdict.TARGET_BUSY, now, hosts=hosts, targets=targets)
        free_slots(connection, now, len(found))
    return set(found)


def free_slots(connection: Connection, now: float, count: int = 1) -> None:
    """Wake as many of those that wait for a slot; the round that looks at them wakes more while slots are left."""
    decisions.wake_some(connection, Verdict.LIMITED, now, count + _TO_SPARE)


_NEW = Prepared(
    insert(runs).returning(runs.c.id),
    "episode_id",
    "remediation",
    "host",
    "target",
    "state",
    "reason",
    "attempts",
    "created_at",
    "slot_at",
    "started_at",
    "due_at",
)
_VERIFYING = Prepared(update(runs).where(runs.c.id == bindparam("which")).values(state=RunState.VERIFYING))
_END = Prepared(
    update(runs)
    .where(runs.c.id == bindparam("which"))
    .values(
        state=RunState.ENDED,
        outcome=bindparam("how"),
        reason=bindparam("why"),
        ended_at=bindparam("now"),
        due_at=None,
    )
)
_CLOSE_BY_HAND = Prepared(
    update(episodes)
    .where(episodes.c.id == bindparam("which"), episodes.c.state == EpisodeState.BY_HAND)
    .values(state=EpisodeState.CLOSED, closed_at=bindparam("now"), close_reason=bindparam("why"))
)
"""An episode that somebody asked for is over with its run."""
_RUNS = select(
    runs.c.id,
    runs.c.remediation,
    runs.c.host,
    runs.c.target,
    runs.c.state,
    runs.c.attempts,
    runs.c.reason,
    runs.c.started_at,
    or_(episodes.c.state == EpisodeState.OPEN, episodes.c.state == EpisodeState.BY_HAND).label("episode_open"),
    *EPISODE,
).join(episodes, episodes.c.id == runs.c.episode_id)
WAITING = (UNENDED, or_(*(runs.c.state == state for state in (RunState.WAITING, RunState.AWAITING_APPROVAL))))
"""What tells the runs that wait for their due time."""
_DUE = Prepared(_RUNS.where(*WAITING, runs.c.due_at <= bindparam("now")).order_by(runs.c.due_at))
_UNENDED = Prepared(_RUNS.where(UNENDED))
"""Not in order: for that SQLite would read every run there ever was."""
_OF_EPISODE = Prepared(_RUNS.where(runs.c.episode_id == bindparam("episode"), UNENDED))
_THIS = Prepared(_RUNS.where(runs.c.id == bindparam("which")))
_OPEN = Prepared(
    select(runs.c.id, runs.c.host, runs.c.target, runs.c.episode_id).where(among(runs.c.id, "ids"), UNENDED)
)
_BEGUN = Prepared(select(runs.c.episode_id).where(among(runs.c.episode_id, "ids"), runs.c.started_at.is_not(None)))


def _run(row: AnyRow) -> Run:
    state = RunState(row.state)
    place = (row.id, row.remediation, row.host, row.target)
    return Run(*place, state, row.attempts, episode(row), row.episode_open, row.reason, row.started_at)
