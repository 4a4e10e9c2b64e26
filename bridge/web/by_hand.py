"""POST /api/v1/remediations/NAME/run: an operator runs one remediation now, through the gates of an alert's fix."""

import time
from typing import Any

from flask import Blueprint, Response, g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound

from bridge.core import Bridge
from bridge.decision import by_hand
from bridge.decision.gates import Verdict
from bridge.decision.payload import Text
from bridge.ledger import decisions
from bridge.ledger.decisions import PENDING
from bridge.ledger.schema import AnyRow
from bridge.policy.remediation import Remediation
from bridge.web.body import read_body
from remedy.config.problems import did_you_mean

_PATIENCE_SECONDS = 10.0
_LOOK_SECONDS = 0.02
_STARTED = (Verdict.RUN, Verdict.DRY_RUN)


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid")

    target: str = Field(min_length=1, max_length=1024)
    labels: dict[Text, Text] = Field(default_factory=dict)
    reason: str = Field(default="", max_length=1000)


def by_hand_blueprint(bridge: Bridge) -> Blueprint:
    """Make the route."""
    routes = Blueprint("by_hand", __name__, url_prefix="/api/v1/remediations")

    @routes.post("/<name>/run")
    def run(name: str) -> tuple[Response, int]:
        wanted = read_body(request, _Wanted)
        try:
            wish = by_hand.wish(_named(bridge, name), wanted.target, wanted.labels, g.who, wanted.reason)
        except by_hand.WishError as wrong:
            raise BadRequest(str(wrong)) from None
        asked: list[int] = []

        def work(connection: Connection) -> bool:
            asked.append(by_hand.ask(connection, wish, bridge.now()))
            return True

        bridge.change(work)
        place = {"remediation": wish.remediation.name, "host": wish.host, "target": wish.target}
        row = _decided(bridge, asked[0])
        if row is None:
            why = "the bridge has not decided yet: see the decisions"
            return jsonify({"decision": PENDING, "reason": why, "run_id": None, **place}), 202
        said: dict[str, Any] = {"decision": row.decision, "reason": row.reason, "run_id": row.run_id, **place}
        if row.decision in _STARTED:
            return jsonify(said), 200
        return jsonify({"error": f"{row.decision}: {row.reason}", **said}), 409

    return routes


def _named(bridge: Bridge, name: str) -> Remediation:
    found = bridge.policy.named(name)
    if found is None:
        known = [remediation.name for remediation in bridge.policy.remediations]
        raise NotFound(f"there is no remediation '{name}'{did_you_mean(name, known)}")
    return found


def _decided(bridge: Bridge, episode_id: int) -> AnyRow | None:
    """Wait for the one thread that decides; None: it is busy for longer than a person waits."""
    until = time.monotonic() + _PATIENCE_SECONDS
    while time.monotonic() < until:
        with bridge.ledger.read() as connection:
            rows = decisions.rows_of(connection, [episode_id]).get(episode_id, [])
        if rows and rows[0].decision != PENDING:
            return rows[0]
        time.sleep(_LOOK_SECONDS)
    return None
