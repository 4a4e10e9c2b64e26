"""The Flask application: every request is looked at once for who sends it and what it wants, then answered."""

from collections.abc import Callable

from flask import Blueprint, Flask
from prometheus_client import CollectorRegistry
from werkzeug.exceptions import HTTPException

from bridge.core import Bridge, NotReadyError
from bridge.ledger.store import LedgerError
from bridge.web.approvals import approvals_blueprint
from bridge.web.by_hand import by_hand_blueprint
from bridge.web.controls import controls_blueprint
from bridge.web.explain import explain_blueprint
from bridge.web.guard import Guard, refusal
from bridge.web.machinery import machinery_blueprint
from bridge.web.page import page_blueprint
from bridge.web.record import record_blueprint
from bridge.web.webhook import webhook_blueprint

MAX_BODY = 32 * 1024 * 1024
"""Bytes: 10,000 real alerts are 6 MB."""


def make_app(bridge: Bridge, registry: CollectorRegistry, guard: Guard, reload: Callable[[], None]) -> Flask:
    """Make the application; `reload` reads the configuration anew, or raises `ConfigError`."""
    app = Flask(__name__)
    app.config["MAX_CONTENT_LENGTH"] = MAX_BODY
    app.register_error_handler(HTTPException, lambda error: refusal(error.code or 500, error.description or error.name))
    app.register_error_handler(NotReadyError, lambda error: refusal(503, str(error)))
    app.register_error_handler(LedgerError, lambda error: refusal(503, str(error)))
    app.before_request(guard.look)
    app.after_request(guard.finish)
    app.register_blueprint(machinery_blueprint(bridge, registry, reload))
    for make in _PARTS:
        app.register_blueprint(make(bridge))
    return app


_PARTS: tuple[Callable[[Bridge], Blueprint], ...] = (
    webhook_blueprint,
    record_blueprint,
    explain_blueprint,
    controls_blueprint,
    approvals_blueprint,
    by_hand_blueprint,
    page_blueprint,
)
