"""POST /api/v1/explain: what the gates would say of a notification, or of all that fires; nothing is recorded."""

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest

from bridge.core import Bridge
from bridge.decision.payload import NotAPayloadError, parse_notification


def explain_blueprint(bridge: Bridge) -> Blueprint:
    """Make the route."""
    routes = Blueprint("explain", __name__, url_prefix="/api/v1")

    @routes.post("/explain")
    def explain() -> Response:
        try:
            notification = parse_notification(request.data) if request.data else None
        except NotAPayloadError as error:
            raise BadRequest(str(error)) from None
        return jsonify({"explanations": bridge.explain(notification)})

    return routes
