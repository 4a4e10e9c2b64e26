"""`/`: what holds fixes, what waits for a person, what fires and why it is or is not being fixed, and the latest runs.

For people, without a script; nothing is loaded from anywhere.
"""

import secrets

from flask import Blueprint, Response, make_response, render_template

from bridge.core import Bridge
from bridge.decision.pause_file import PauseFile
from bridge.ledger import pages

_FIRING, _OVER, _RUNS = 200, 20, 50
"""Rows of each table at most; the whole record is in /api/v1."""
_POLICY = "default-src 'none'; style-src 'nonce-{}'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"


def page_blueprint(bridge: Bridge) -> Blueprint:
    """Make the route."""
    routes = Blueprint("page", __name__, template_folder="templates")

    @routes.get("/")
    def front() -> Response:
        nonce = secrets.token_urlsafe(16)
        file = PauseFile(bridge.policy.ledger_file).read()
        with bridge.ledger.read() as connection:
            text = render_template(
                "page.html",
                nonce=nonce,
                mode=bridge.policy.settings.mode,
                pause_file=file and file.reason,
                pauses=pages.pauses(connection, bridge.now()),
                breakers=pages.breakers(connection),
                waiting=pages.run_page(connection, limit=_RUNS, state="awaiting_approval"),
                firing=pages.episode_page(connection, limit=_FIRING, closed=False),
                unclosed=pages.count_unclosed(connection),
                over=pages.episode_page(connection, limit=_OVER, closed=True),
                runs=pages.run_page(connection, limit=_RUNS),
            )
        answer = make_response(text)
        answer.headers["Content-Security-Policy"] = _POLICY.format(nonce)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        answer.headers["Referrer-Policy"] = "no-referrer"
        answer.headers["Cache-Control"] = "no-store"
        return answer

    return routes
