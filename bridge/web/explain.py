"""POST /api/v1/explain: what the gates would say of a notification, or of all that fires; nothing is recorded."""

from collections.abc import Sequence
from typing import Any

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from bridge.core import Bridge
from bridge.decision.payload import NotAPayloadError, parse_notification
from bridge.ledger import episodes, pages
from bridge.web.body import read_whole


def explain_blueprint(bridge: Bridge) -> Blueprint:
    """Make the route."""
    routes = Blueprint("explain", __name__, url_prefix="/api/v1")

    @routes.post("/explain")
    def explain() -> Response:
        body = read_whole(request)
        try:
            notification = parse_notification(body) if body else None
        except NotAPayloadError as error:
            raise BadRequest(str(error)) from None
        found = bridge.explain(notification)
        return jsonify({"explanations": _with_record(bridge, found)})

    return routes


def _with_record(bridge: Bridge, found: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Add the verdict that is on record: what was decided and done already is not decided again."""
    with bridge.ledger.read() as connection:
        opened = episodes.unclosed(connection, [each["fingerprint"] for each in found])
        ids = {fingerprint: row.id for fingerprint, row in opened.items()}
        verdicts = pages.current_verdicts(connection, list(ids.values()))
    return [
        {**each, "recorded": _recorded(verdicts.get(ids.get(each["fingerprint"], 0), []), each["remediation"])}
        for each in found
    ]


def _recorded(verdicts: Sequence[dict[str, Any]], remediation: str | None) -> dict[str, Any] | None:
    return next((verdict for verdict in verdicts if verdict["remediation"] == remediation), None)
