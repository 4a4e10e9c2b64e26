"""POST /webhook: 200 once the notification is durable, and only then. No fix runs in the request."""

from flask import Blueprint, Response, jsonify, request
from werkzeug.exceptions import BadRequest, HTTPException, ServiceUnavailable, UnsupportedMediaType

from bridge.core import Bridge, NotReadyError
from bridge.decision.payload import NotAPayloadError, parse_notification
from bridge.ledger.store import LedgerError
from bridge.metrics import Answered
from bridge.web.body import read_whole

_RESULTS = {
    400: Answered.MALFORMED,
    413: Answered.TOO_LARGE,
    415: Answered.WRONG_TYPE,
    503: Answered.UNAVAILABLE,
}


def webhook_blueprint(bridge: Bridge) -> Blueprint:
    """Make the route."""
    routes = Blueprint("webhook", __name__)

    @routes.post("/webhook")
    def webhook() -> Response:
        try:
            answer = _take(bridge)
        except HTTPException as error:
            bridge.metrics.notifications.labels(_RESULTS.get(error.code or 0, Answered.REFUSED)).inc()
            raise
        bridge.metrics.notifications.labels(Answered.ACCEPTED).inc()
        return jsonify(answer)

    return routes


def _take(bridge: Bridge) -> dict[str, int]:
    if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
        raise UnsupportedMediaType("a notification is application/json")
    try:
        return bridge.receive(parse_notification(read_whole())).answer()
    except NotAPayloadError as error:
        raise BadRequest(f"this is no version-4 notification of Alertmanager: {error}") from None
    except (NotReadyError, LedgerError) as error:
        raise ServiceUnavailable(f"the notification could not be made durable: {error}") from None
