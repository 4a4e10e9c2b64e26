"""POST /webhook: 200 once the notification is durable, and only then. No fix runs in the request.

It is answered before Flask: a fix waits for it, and Flask's contexts and routes are noticed.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from flask import Response
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, ServiceUnavailable, UnsupportedMediaType
from werkzeug.wrappers import Request

from bridge.core import Bridge, NotReadyError
from bridge.decision.payload import NotAPayloadError, parse_notification
from bridge.ledger.store import LedgerError
from bridge.metrics import Answered
from bridge.web.answers import as_json, http_refusal, refusal
from bridge.web.body import MAX_BODY, read_whole
from bridge.web.guard import WEBHOOK, Guard
from remedy.config.logger import structlog

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication

_RESULTS = {
    400: Answered.MALFORMED,
    413: Answered.TOO_LARGE,
    415: Answered.WRONG_TYPE,
    503: Answered.UNAVAILABLE,
}


class _Posted(Request):
    max_content_length = MAX_BODY


class Webhook:
    """A WSGI application that answers on its path; what is asked on others goes to another one."""

    def __init__(self, bridge: Bridge, guard: Guard, others: "WSGIApplication") -> None:
        """Take who decides, who looks at every request, and who answers on other paths."""
        self._bridge, self._guard, self._others = bridge, guard, others

    def __call__(self, environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
        """Answer one request."""
        if environ.get("PATH_INFO") != WEBHOOK:
            return self._others(environ, start_response)
        return self._guard.finish(self._answer(_Posted(environ)))(environ, start_response)

    def _answer(self, request: Request) -> Response:
        counts = self._bridge.metrics.notifications
        try:
            seen = self._guard.look(request)
            if isinstance(seen, Response):
                return seen
            answer = self._take(request)
        except HTTPException as error:
            counts.labels(_RESULTS.get(error.code or 0, Answered.REFUSED)).inc()
            return http_refusal(error)
        except Exception:  # noqa: BLE001 - a sender gets an answer, whatever it was
            structlog.get_logger("webhook").exception("a mistake of the bridge")
            return refusal(500, "a mistake of the bridge; its log says which")
        counts.labels(Answered.ACCEPTED).inc()
        return as_json(answer)

    def _take(self, request: Request) -> dict[str, int]:
        if request.method != "POST":
            raise MethodNotAllowed(["POST"])
        if request.mimetype != "application/json" and not request.mimetype.endswith("+json"):
            raise UnsupportedMediaType("a notification is application/json")
        try:
            return self._bridge.receive(parse_notification(read_whole(request))).answer()
        except NotAPayloadError as error:
            raise BadRequest(f"this is no version-4 notification of Alertmanager: {error}") from None
        except (NotReadyError, LedgerError) as error:
            raise ServiceUnavailable(f"the notification could not be made durable: {error}") from None
