"""The HTTP side: every request is looked at once for who sends it and what it wants, then answered."""

from collections.abc import Callable

from flask import Blueprint, Flask, Response, g, request
from prometheus_client import CollectorRegistry
from werkzeug.exceptions import HTTPException

from bridge.core import Bridge, NotReadyError
from bridge.ledger.store import LedgerError
from bridge.web.access import Admission
from bridge.web.answers import http_refusal, refusal
from bridge.web.approvals import approvals_blueprint
from bridge.web.body import MAX_BODY
from bridge.web.by_hand import by_hand_blueprint
from bridge.web.controls import controls_blueprint
from bridge.web.explain import explain_blueprint
from bridge.web.guard import Guard
from bridge.web.machinery import machinery_blueprint
from bridge.web.page import page_blueprint
from bridge.web.record import record_blueprint
from bridge.web.webhook import Webhook


def make_app(
    bridge: Bridge, registry: CollectorRegistry, admission: Callable[[], Admission], reload: Callable[[], None]
) -> Flask:
    """Make the application; `admission` is that of the moment, `reload` changes it, or raises `ConfigError`."""
    guard = Guard(admission, bridge.metrics)
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.register_error_handler(HTTPException, http_refusal)
    app.register_error_handler(NotReadyError, lambda error: refusal(503, str(error)))
    app.register_error_handler(LedgerError, lambda error: refusal(503, str(error)))

    @app.before_request
    def look() -> Response | None:
        seen = guard.look(request)
        if isinstance(seen, Response):
            return seen
        g.who, g.may_see_output = seen.who, seen.may_see_output
        return None

    app.after_request(guard.finish)
    app.register_blueprint(machinery_blueprint(bridge, registry, reload))
    for make in _PARTS:
        app.register_blueprint(make(bridge))
    app.wsgi_app = Webhook(bridge, guard, app.wsgi_app)  # type: ignore[method-assign] # as Flask wants it
    return app


_PARTS: tuple[Callable[[Bridge], Blueprint], ...] = (
    record_blueprint,
    explain_blueprint,
    controls_blueprint,
    approvals_blueprint,
    by_hand_blueprint,
    page_blueprint,
)
