"""The step journal: attempts and their steps, each on disk before it starts and after it has ended.

What several runs write at the same moment is written together.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, delete, func, insert, select, update

from bridge.actions.base import StepOutcome
from bridge.ledger.prepared import Prepared
from bridge.ledger.schema import AnyRow, attempts, steps


@dataclass(frozen=True)
class StepBegin:
    """One step of one attempt, about to start."""

    run_id: int
    attempt: int
    position: int
    action: str
    token: str
    """Names the process that starts it."""
    at: float


@dataclass(frozen=True)
class StepEnd:
    """How one step ended."""

    outcome: StepOutcome
    reason: str
    exit_code: int | None = None
    output: str = ""
    results: Mapping[str, int] = field(default_factory=dict)
    """What it came to, for an action that counts that."""


@dataclass(frozen=True)
class AttemptEnd:
    """How an attempt ended: what the verification found, or why there was none."""

    run_id: int
    number: int
    verification: str
    at: float


def begin_attempts(connection: Connection, begun: Sequence[tuple[int, int]], now: float) -> None:
    """Note that attempts begin: (run, number)."""
    _NEW_ATTEMPT.each(connection, [{"run_id": run, "number": number, "started_at": now} for run, number in begun])


def end_attempts(connection: Connection, ended: Sequence[AttemptEnd]) -> None:
    """Note how attempts ended."""
    rows = [{"run": e.run_id, "which": e.number, "said": e.verification, "now": e.at} for e in ended]
    _END_ATTEMPT.each(connection, rows)


def begin_steps(connection: Connection, begun: Sequence[StepBegin]) -> None:
    """Journal steps before they start."""
    rows = [
        {
            "run_id": begin.run_id,
            "attempt": begin.attempt,
            "position": begin.position,
            "action": begin.action,
            "token": begin.token,
            "started_at": begin.at,
        }
        for begin in begun
    ]
    _NEW_STEP.each(connection, rows)


def end_steps(connection: Connection, ended: Sequence[tuple[StepBegin, StepEnd, float]]) -> None:
    """Journal steps after they have ended, each with its time."""
    rows = [
        {
            "run": begin.run_id,
            "number": begin.attempt,
            "place": begin.position,
            "now": at,
            "how": end.outcome,
            "why": end.reason,
            "code": end.exit_code,
            "printed": end.output,
        }
        for begin, end, at in ended
    ]
    _END_STEP.each(connection, rows)


def note_programs(connection: Connection, started: Sequence[tuple[StepBegin, int, str]]) -> None:
    """Note the programs that steps have started, so that one which outlives us can be found: (step, pid, its birth)."""
    rows = [
        {"run": begin.run_id, "number": begin.attempt, "place": begin.position, "which": pid, "birth": born}
        for begin, pid, born in started
    ]
    _PROGRAM.each(connection, rows)


def take_back(connection: Connection, run_id: int, attempt: int) -> None:
    """Forget an attempt whose first step was journalled, and which did not begin after all."""
    connection.execute(delete(steps).where(steps.c.run_id == run_id, steps.c.attempt == attempt))
    connection.execute(delete(attempts).where(attempts.c.run_id == run_id, attempts.c.number == attempt))


def cut_off(connection: Connection, token: str, reason: str, now: float) -> int:
    """Journal as interrupted what a process began and has not ended; return how many steps."""
    mine = (steps.c.ended_at.is_(None), steps.c.token == token)
    values = {"outcome": StepOutcome.INTERRUPTED, "reason": reason}
    return connection.execute(update(steps).where(*mine).values(ended_at=now, **values)).rowcount


def plan_steps(connection: Connection, run_id: int, plans: Sequence[tuple[str, str]], now: float) -> None:
    """Write down what the steps of a dry run would do: (action, plan)."""
    begun = [StepBegin(run_id, 0, position, action, "", now) for position, (action, _) in enumerate(plans)]
    begin_steps(connection, begun)
    ends = [StepEnd(StepOutcome.PLANNED, plan) for _, plan in plans]
    end_steps(connection, [(begin, end, now) for begin, end in zip(begun, ends, strict=True)])


def of_attempt(connection: Connection, run_id: int, attempt: int) -> list[AnyRow]:
    """Return the journal of one attempt, in order."""
    query = select(steps).where(steps.c.run_id == run_id, steps.c.attempt == attempt).order_by(steps.c.position)
    return list(connection.execute(query).all())


def last_end(connection: Connection, run_id: int) -> float | None:
    """Return when the last step of a run ended: evidence must be newer."""
    moment: float | None = connection.scalar(select(func.max(steps.c.ended_at)).where(steps.c.run_id == run_id))
    return moment


_NEW_ATTEMPT = Prepared(insert(attempts), "run_id", "number", "started_at")
_NEW_STEP = Prepared(insert(steps), "run_id", "attempt", "position", "action", "token", "started_at")
_END_ATTEMPT = Prepared(
    update(attempts)
    .where(attempts.c.run_id == bindparam("run"), attempts.c.number == bindparam("which"))
    .values(ended_at=bindparam("now"), verification=bindparam("said"))
)
_THIS_STEP = (
    steps.c.run_id == bindparam("run"),
    steps.c.attempt == bindparam("number"),
    steps.c.position == bindparam("place"),
)
_PROGRAM = Prepared(update(steps).where(*_THIS_STEP).values(pid=bindparam("which"), born=bindparam("birth")))
_END_STEP = Prepared(
    update(steps)
    .where(*_THIS_STEP)
    .values(
        ended_at=bindparam("now"),
        outcome=bindparam("how"),
        reason=bindparam("why"),
        exit_code=bindparam("code"),
        output=bindparam("printed"),
    )
)
