"""GET /api/v1/…: the record, in pages of 1,000 rows at most, newest first; `after` is the last id of the one before."""

from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from werkzeug.exceptions import BadRequest, NotFound

from bridge.actions.base import StepError
from bridge.core import Bridge
from bridge.ledger import pages

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
            return jsonify({"runs": pages.run_page(connection, **_place(), **_filters())})

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
            return jsonify({"decisions": pages.decision_page(connection, **_place(), **_filters())})

    @routes.get("/episodes")
    def episodes() -> Response:
        with bridge.ledger.read() as connection:
            return jsonify({"episodes": pages.episode_page(connection, **_place())})

    return routes


def _place() -> dict[str, Any]:
    found = {}
    for name in ("limit", "after"):
        text = request.args.get(name)
        if text is not None:
            if not text.isascii() or not text.isdigit() or len(text) > _DIGITS:
                raise BadRequest(f"{name} is a number, not {text[:40]!r}")
            found[name] = int(text)
    return found


def _filters() -> dict[str, Any]:
    return {name: request.args[name] for name in ("remediation", "outcome") if name in request.args}
