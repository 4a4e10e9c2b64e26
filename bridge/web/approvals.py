"""What operators say of one run: approve, deny, cancel."""

from flask import Blueprint, Response, g, jsonify
from sqlalchemy import Connection
from werkzeug.exceptions import Conflict, NotFound

from bridge.core import Bridge
from bridge.decision import operators
from bridge.decision.gates import Verdict
from bridge.ledger import runs
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.web.record import RUN_ID


def approvals_blueprint(bridge: Bridge) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("approvals", __name__, url_prefix="/api/v1/runs")

    @routes.post(f"/{RUN_ID}/approve")
    def approve(run_id: int) -> Response:
        who = g.who

        def work(connection: Connection) -> bool:
            found = _existing(connection, run_id)
            if not operators.approve(connection, found, who, bridge.now()):
                raise Conflict(f"run {run_id} waits for no approval: it is {_standing(found)}")
            return True

        bridge.change(work)
        return jsonify({"status": "ok", "run": run_id})

    @routes.post(f"/{RUN_ID}/deny")
    def deny(run_id: int) -> Response:
        return _end(bridge, run_id, Outcome.DENIED)

    @routes.post(f"/{RUN_ID}/cancel")
    def cancel(run_id: int) -> Response:
        return _end(bridge, run_id, Outcome.CANCELLED)

    return routes


def _end(bridge: Bridge, run_id: int, outcome: Outcome) -> Response:
    who = g.who

    def work(connection: Connection) -> bool:
        found = _existing(connection, run_id)
        if not operators.end(connection, found, outcome, who, bridge.now()):
            raise Conflict(f"run {run_id} cannot be {outcome} in the state that it is in: {_standing(found)}")
        bridge.metrics.count(_decided(found, outcome), {(found.remediation, str(outcome)): 1})
        return True

    bridge.change(work)
    return jsonify({"status": "ok", "run": run_id})


def _decided(run: Run, outcome: Outcome) -> dict[tuple[str, str], int]:
    return {(run.remediation, str(Verdict.DENIED)): 1} if outcome is Outcome.DENIED else {}


def _existing(connection: Connection, run_id: int) -> Run:
    found = runs.get(connection, run_id)
    if found is None:
        raise NotFound(f"there is no run {run_id}")
    return found


def _standing(run: Run) -> str:
    return f"{run.state} ({run.reason})" if run.state is RunState.ENDED else str(run.state)
