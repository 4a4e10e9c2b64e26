"""GET /api/v1/…: the record, in pages of 1,000 rows at most, newest first; `after` is the last id of the one before."""

from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import BadRequest, NotFound

from bridge.actions.base import StepError
from bridge.core import Bridge
from bridge.ledger import pages
from bridge.ledger.runs import Outcome
from remedy.config.problems import did_you_mean

_DIGITS = 15
"""So long may a number be: it fits any integer column."""
RUN_ID = f"<int(max={10**_DIGITS - 1}):run_id>"
"""A run in a route."""


def record_blueprint(bridge: Bridge) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("record", __name__, url_prefix="/api/v1")

    @routes.get("/runs")
    def runs() -> Response:
        with bridge.ledger.read() as connection:
            return jsonify({"runs": pages.run_page(connection, **_asked("remediation", "outcome"))})

    @routes.get(f"/runs/{RUN_ID}")
    def run(run_id: int) -> Response:
        with bridge.ledger.read() as connection:
            found = pages.run(connection, run_id)
        if found is None:
            raise NotFound(f"there is no run {run_id}")
        try:
            found["backups"] = [entry.shown() for entry in bridge.backups.listed(run_id)]
        except StepError as error:
            found["backups"], found["backups_unreadable"] = [], str(error)
        if not g.may_see_output:
            for step in found["steps"]:
                step["output"] = None
            found["output_hidden"] = "what steps printed needs an operator's credential or the local socket"
        return jsonify(found)

    @routes.get("/decisions")
    def decisions() -> Response:
        with bridge.ledger.read() as connection:
            return jsonify({"decisions": pages.decision_page(connection, **_asked("remediation", "outcome"))})

    @routes.get("/episodes")
    def episodes() -> Response:
        with bridge.ledger.read() as connection:
            return jsonify({"episodes": pages.episode_page(connection, **_asked())})

    return routes


def _asked(*filters: str) -> dict[str, Any]:
    """Return the parameters of the request at hand; beside the place in the pages it may have these filters.

    Raises:
        BadRequest: one of them is wrong, or is not known here; a filter that is not heeded would seem to be.
    """
    known = ("limit", "after", *filters)
    for name in request.args:
        if name not in known:
            raise BadRequest(f"unknown parameter {name[:40]!r}{did_you_mean(name, known)}")
    found: dict[str, Any] = {name: _number(name) for name in ("limit", "after") if name in request.args}
    if found.get("limit") == 0:
        raise BadRequest("limit is a number from 1 on, not '0'")
    outcome = request.args.get("outcome")
    if outcome is not None and outcome not in list(Outcome):
        raise BadRequest(f"outcome: unknown value {outcome[:40]!r}{did_you_mean(outcome, Outcome)}")
    return found | {name: request.args[name] for name in filters if name in request.args}


def _number(name: str) -> int:
    text = request.args[name]
    if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
        raise BadRequest(f"{name} is a number, not {text[:40]!r}")
    return int(text)
