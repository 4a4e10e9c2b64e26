"""Runs, their attempts and the step journal: each step is on disk before it starts and after it has ended."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, bindparam, func, insert, select, update

from bridge.actions.base import StepOutcome
from bridge.decision.facts import Candidate, Episode
from bridge.decision.gates import Verdict
from bridge.ledger import decisions
from bridge.ledger.episodes import EpisodeState, episode
from bridge.ledger.schema import UNENDED, AnyRow, attempts, episodes, runs, steps

_CHUNK = 500
_FOR_ONE_SLOT = 4


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


@dataclass(frozen=True)
class StepEnd:
    """How one step ended."""

    outcome: StepOutcome
    reason: str
    exit_code: int | None = None
    output: str = ""


def create(
    connection: Connection,
    candidate: Candidate,
    state: RunState,
    reason: str,
    now: float,
    *,
    slot: bool,
    due_at: float | None = None,
) -> Run:
    """Insert a run; one that has its slot counts for the limits and keeps its host busy from now on."""
    place = {"remediation": candidate.remediation, "host": candidate.host, "target": candidate.target}
    fresh = {"state": state, "reason": reason, "attempts": 0, "created_at": now, "slot_at": now if slot else None}
    fresh["due_at"] = due_at
    result = connection.execute(insert(runs).values(episode_id=candidate.episode.id, **place, **fresh))
    (id_,) = result.inserted_primary_key or (0,)
    return Run(id_, candidate.remediation, candidate.host, candidate.target, state, 0, candidate.episode, True)


def unended(connection: Connection) -> list[Run]:
    """Return every run that has not ended, the oldest first."""
    query = _RUNS.where(UNENDED).order_by(runs.c.id)
    return [_run(row) for row in connection.execute(query)]


def put_back(connection: Connection, run_id: int, now: float) -> None:
    """Let a run whose attempt has not begun pass the gates again: it gives its slot back where it was the first."""
    first = (runs.c.id == run_id, runs.c.state == RunState.QUEUED)
    connection.execute(update(runs).where(*first, runs.c.attempts == 0).values(slot_at=None))
    connection.execute(update(runs).where(*first).values(state=RunState.WAITING, due_at=now))


def due(connection: Connection, now: float) -> list[Run]:
    """Return the runs whose next attempt is due, or whose time for approval is up."""
    query = _RUNS.where(UNENDED, runs.c.state.in_(_WITH_DUE_TIME), runs.c.due_at <= now).order_by(runs.c.due_at)
    return [_run(row) for row in connection.execute(query)]


def next_due(connection: Connection) -> float | None:
    """Return when the next of these is due."""
    waiting = (UNENDED, runs.c.state.in_(_WITH_DUE_TIME))
    first: float | None = connection.scalar(select(func.min(runs.c.due_at)).where(*waiting))
    return first


def of_episode(connection: Connection, episode_id: int) -> list[Run]:
    """Return the runs of an episode that have not ended."""
    query = _RUNS.where(runs.c.episode_id == episode_id, UNENDED)
    return [_run(row) for row in connection.execute(query)]


def get(connection: Connection, run_id: int) -> Run | None:
    """Return one run."""
    row = connection.execute(_RUNS.where(runs.c.id == run_id)).first()
    return _run(row) if row else None


def begun(connection: Connection, episode_ids: Iterable[int]) -> set[int]:
    """Return those episodes for which a first step was started."""
    ids = list(episode_ids)
    found: set[int] = set()
    for start in range(0, len(ids), _CHUNK):
        which = (runs.c.episode_id.in_(ids[start : start + _CHUNK]), runs.c.started_at.is_not(None))
        found.update(connection.scalars(select(runs.c.episode_id).where(*which)))
    return found


def approve(connection: Connection, run_id: int, now: float) -> bool:
    """Let a run that awaits approval go on, through the gates again; tell whether there was one."""
    statement = (
        update(runs)
        .where(runs.c.id == run_id, runs.c.state == RunState.AWAITING_APPROVAL)
        .values(state=RunState.WAITING, due_at=now)
    )
    return connection.execute(statement).rowcount == 1


def has_ended(connection: Connection, run_id: int) -> bool:
    """Tell whether a run has ended."""
    return connection.scalar(select(runs.c.state).where(runs.c.id == run_id)) == RunState.ENDED


def begin_attempt(connection: Connection, run_id: int, number: int, now: float) -> bool:
    """Note that an attempt begins; false where the run was ended in the meantime."""
    statement = (
        update(runs)
        .where(runs.c.id == run_id, runs.c.state == RunState.QUEUED)
        .values(state=RunState.RUNNING, attempts=number, due_at=None)
    )
    if connection.execute(statement).rowcount != 1:
        return False
    connection.execute(insert(attempts).values(run_id=run_id, number=number, started_at=now))
    return True


def end_attempt(connection: Connection, run_id: int, number: int, verification: str, now: float) -> None:
    """Note how an attempt ended: what the verification found, or why there was none."""
    which = (attempts.c.run_id == run_id, attempts.c.number == number)
    connection.execute(update(attempts).where(*which).values(ended_at=now, verification=verification))


def begin_step(
    connection: Connection, run_id: int, attempt: int, position: int, *, action: str, token: str, now: float
) -> int:
    """Journal a step before it starts; `token` names the process that starts it."""
    keys = {"run_id": run_id, "attempt": attempt, "position": position, "action": action}
    result = connection.execute(insert(steps).values(token=token, started_at=now, **keys))
    if position == 0:
        connection.execute(_FIRST_STEP, {"run": run_id, "now": now})
    (id_,) = result.inserted_primary_key or (0,)
    return int(id_)


def end_step(connection: Connection, step_id: int, end: StepEnd, now: float) -> None:
    """Journal a step after it has ended."""
    values = {"outcome": end.outcome, "reason": end.reason, "exit_code": end.exit_code, "output": end.output}
    connection.execute(update(steps).where(steps.c.id == step_id).values(ended_at=now, **values))


def cut_off(connection: Connection, token: str, reason: str, now: float) -> int:
    """Journal as interrupted what a process began and has not ended; return how many steps."""
    mine = (steps.c.ended_at.is_(None), steps.c.token == token)
    values = {"outcome": StepOutcome.INTERRUPTED, "reason": reason}
    return connection.execute(update(steps).where(*mine).values(ended_at=now, **values)).rowcount


def plan_steps(connection: Connection, run_id: int, plans: Iterable[tuple[str, str]], now: float) -> None:
    """Write down what the steps of a dry run would do: (action, plan)."""
    for position, (action, plan) in enumerate(plans):
        step_id = begin_step(connection, run_id, 0, position, action=action, token="", now=now)
        end_step(connection, step_id, StepEnd(StepOutcome.PLANNED, plan), now)
    change(connection, run_id, started_at=None)


def steps_of(connection: Connection, run_id: int, attempt: int) -> list[AnyRow]:
    """Return the journal of one attempt, in order."""
    query = select(steps).where(steps.c.run_id == run_id, steps.c.attempt == attempt).order_by(steps.c.position)
    return list(connection.execute(query).all())


def started_at(connection: Connection, run_id: int) -> float | None:
    """Return when a run's first step started."""
    moment: float | None = connection.scalar(select(runs.c.started_at).where(runs.c.id == run_id))
    return moment


def last_step_end(connection: Connection, run_id: int) -> float | None:
    """Return when the last step of a run ended: evidence must be newer."""
    moment: float | None = connection.scalar(select(func.max(steps.c.ended_at)).where(steps.c.run_id == run_id))
    return moment


def change(connection: Connection, run_id: int, **values: Any) -> None:
    """Set columns of a run."""
    connection.execute(update(runs).where(runs.c.id == run_id).values(**values))


def end(connection: Connection, run_id: int, outcome: Outcome, reason: str, now: float) -> bool:
    """End a run, and wake what waits for its host or its slot; tell whether it had not ended before."""
    statement = (
        update(runs)
        .where(runs.c.id == run_id, UNENDED)
        .values(state=RunState.ENDED, outcome=outcome, reason=reason, ended_at=now, due_at=None)
        .returning(runs.c.host, runs.c.episode_id)
    )
    row = connection.execute(statement).first()
    if row is None:
        return False
    connection.execute(_CLOSE_BY_HAND, {"which": row.episode_id, "now": now, "why": f"its run ended: {outcome}"})
    decisions.wake(connection, [Verdict.TARGET_BUSY], now, host=row.host)
    free_slot(connection, now)
    return True


def free_slot(connection: Connection, now: float) -> None:
    """Wake a few of those that wait for a slot; the round that looks at them wakes more while slots are left."""
    decisions.wake_some(connection, Verdict.LIMITED, now, _FOR_ONE_SLOT)


_FIRST_STEP = (
    update(runs).where(runs.c.id == bindparam("run"), runs.c.started_at.is_(None)).values(started_at=bindparam("now"))
)
_CLOSE_BY_HAND = (
    update(episodes)
    .where(episodes.c.id == bindparam("which"), episodes.c.state == EpisodeState.BY_HAND)
    .values(state=EpisodeState.CLOSED, closed_at=bindparam("now"), close_reason=bindparam("why"))
)
"""An episode that somebody asked for is over with its run."""
_WITH_DUE_TIME = (RunState.WAITING, RunState.AWAITING_APPROVAL)
_RUNS = select(
    runs.c.id.label("run_id"),
    runs.c.remediation,
    runs.c.host,
    runs.c.target,
    runs.c.state.label("run_state"),
    runs.c.attempts,
    runs.c.reason.label("run_reason"),
    runs.c.episode_id,
    episodes.c.state.in_((EpisodeState.OPEN, EpisodeState.BY_HAND)).label("episode_open"),
    episodes.c.state,
    episodes.c.fingerprint,
    episodes.c.labels,
    episodes.c.annotations,
    episodes.c.starts_at,
    episodes.c.received_at,
    episodes.c.notified_at,
).join(episodes, episodes.c.id == runs.c.episode_id)


def _run(row: AnyRow) -> Run:
    state = RunState(row.run_state)
    place = (row.run_id, row.remediation, row.host, row.target)
    return Run(*place, state, row.attempts, episode(row), row.episode_open, row.run_reason)
