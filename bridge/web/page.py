"""`/`: what fires and why it is or is not being fixed, and the latest runs; for people, without a script."""

from flask import Blueprint, render_template

from bridge.core import Bridge
from bridge.ledger import controls, pages

_SHOWN = 50


def page_blueprint(bridge: Bridge) -> Blueprint:
    """Make the route."""
    routes = Blueprint("page", __name__, template_folder="templates")

    @routes.get("/")
    def front() -> str:
        names = [remediation.name for remediation in bridge.policy.remediations]
        with bridge.ledger.read() as connection:
            return render_template(
                "page.html",
                episodes=pages.episode_page(connection, limit=_SHOWN),
                runs=pages.run_page(connection, limit=_SHOWN),
                state=controls.state(connection, names, bridge.now()),
                mode=bridge.policy.settings.mode,
            )

    return routes
