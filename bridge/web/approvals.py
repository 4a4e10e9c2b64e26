"""What operators say of one run: approve, deny, cancel."""

from flask import Blueprint, Response, g, jsonify
from sqlalchemy import Connection
from werkzeug.exceptions import Conflict, NotFound

from bridge.core import Bridge
from bridge.decision.gates import Decision, Verdict
from bridge.ledger import decisions, runs
from bridge.ledger.decisions import Entry
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.web.record import RUN_ID


def approvals_blueprint(bridge: Bridge) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("approvals", __name__, url_prefix="/api/v1/runs")

    @routes.post(f"/{RUN_ID}/approve")
    def approve(run_id: int) -> Response:
        def work(connection: Connection) -> bool:
            _existing(connection, run_id)
            return runs.approve(connection, run_id, bridge.now())

        return _answer(run_id, "waits for no approval", done=bridge.change(work))

    @routes.post(f"/{RUN_ID}/deny")
    def deny(run_id: int) -> Response:
        return _end(bridge, run_id, (RunState.AWAITING_APPROVAL,), Outcome.DENIED)

    @routes.post(f"/{RUN_ID}/cancel")
    def cancel(run_id: int) -> Response:
        states = (RunState.AWAITING_APPROVAL, RunState.QUEUED, RunState.WAITING)
        return _end(bridge, run_id, states, Outcome.CANCELLED)

    return routes


def _end(bridge: Bridge, run_id: int, states: tuple[RunState, ...], outcome: Outcome) -> Response:
    """End a run that has not begun, or waits: what is at work is never cut off."""
    reason = f"{outcome} by {g.who}"

    def work(connection: Connection) -> bool:
        found, now = _existing(connection, run_id), bridge.now()
        if found.state not in states:
            return False
        current = decisions.current(connection, found.episode.id, found.remediation)
        if current is not None:
            verdict = Verdict.DENIED if outcome is Outcome.DENIED else Verdict.RUN
            decisions.record(connection, [Entry(current, Decision(verdict, reason), run_id)], now)
        bridge.metrics.runs.labels(found.remediation, outcome).inc()
        decisions.wake(connection, [Verdict.TARGET_BUSY, Verdict.LIMITED], now, host=found.host)
        return runs.end(connection, run_id, outcome, reason, now)

    return _answer(run_id, "cannot be ended in the state that it is in", done=bridge.change(work))


def _existing(connection: Connection, run_id: int) -> Run:
    found = runs.get(connection, run_id)
    if found is None:
        raise NotFound(f"there is no run {run_id}")
    return found


def _answer(run_id: int, why: str, *, done: bool) -> Response:
    if not done:
        raise Conflict(f"run {run_id} {why}")
    return jsonify({"status": "ok", "run": run_id})
