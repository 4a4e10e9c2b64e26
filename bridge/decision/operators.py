"""What operators say, in one transaction each, with their names on record: approve, deny, cancel, pause and so on."""

from sqlalchemy import Connection

from bridge.decision.gates import Decision, Verdict
from bridge.ledger import controls, decisions, runs
from bridge.ledger.decisions import Entry
from bridge.ledger.runs import Outcome, Run, RunState

_ENDS = {
    Outcome.DENIED: (RunState.AWAITING_APPROVAL,),
    Outcome.CANCELLED: (RunState.AWAITING_APPROVAL, RunState.QUEUED, RunState.WAITING),
}
"""In which states a run can be ended so: what is at work is never cut off."""


def approve(connection: Connection, run: Run, who: str, now: float) -> bool:
    """Let a run that waits for approval go on, through the gates again; tell whether it did wait."""
    current = decisions.current(connection, run.episode.id, run.remediation)
    if not runs.approve(connection, run.id, now):
        return False
    if current is not None:
        said = Decision(Verdict.AWAITING_APPROVAL, f"approved by {who}", now)
        decisions.record(connection, [Entry(current, said, run.id)], now)
    return True


def end(connection: Connection, run: Run, outcome: Outcome, who: str, now: float) -> bool:
    """Deny or cancel a run that has not begun, or waits; tell whether it could be ended."""
    if run.state not in _ENDS[outcome]:
        return False
    reason = f"{outcome} by {who}"
    current = decisions.current(connection, run.episode.id, run.remediation)
    if current is not None:
        verdict = Verdict.DENIED if outcome is Outcome.DENIED else Verdict.RUN
        decisions.record(connection, [Entry(current, Decision(verdict, reason), run.id)], now)
    return runs.end(connection, run.id, outcome, reason, now)


def pause(connection: Connection, remediation: str, reason: str, seconds: float | None, now: float) -> float | None:
    """Pause one remediation, or everything with an empty name; return when it ends by itself."""
    until = None if seconds is None else now + seconds
    controls.set_pause(connection, remediation, reason, until, now)
    return until


def resume(connection: Connection, remediation: str, now: float) -> bool:
    """End a pause, and look at what it held; tell whether there was one."""
    decisions.wake(connection, [Verdict.PAUSED], now)
    return controls.clear_pause(connection, remediation)


def reset_breaker(connection: Connection, remediation: str | None, now: float) -> list[str]:
    """Close one breaker, or all, and look at what they held; return the names of those that were open."""
    decisions.wake(connection, [Verdict.BREAKER_OPEN], now)
    return controls.reset_breaker(connection, remediation, now)
