"""What operators change for everybody: pause, resume, reset a breaker."""

from typing import Any

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound

from bridge.core import Bridge
from bridge.gates import Verdict
from bridge.ledger import controls, decisions
from remedy.config.durations import Duration


class _Pause(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)
    duration: Duration | None = None
    remediation: str = ""


def controls_blueprint(bridge: Bridge) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("controls", __name__, url_prefix="/api/v1")

    @routes.put("/pause")
    def pause() -> Response:
        try:
            wanted = _Pause.model_validate(_body())
        except ValidationError as invalid:
            first = invalid.errors()[0]
            raise BadRequest(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
        now = bridge.now()
        until = None if wanted.duration is None else now + wanted.duration.total_seconds()

        def work(connection: Connection) -> bool:
            controls.set_pause(connection, wanted.remediation, wanted.reason, until, now)
            return True

        bridge.change(work)
        return jsonify({"status": "paused", "remediation": wanted.remediation or None, "reason": wanted.reason})

    @routes.delete("/pause")
    def resume() -> Response:
        remediation = request.args.get("remediation", "")

        def work(connection: Connection) -> bool:
            decisions.wake(connection, [Verdict.PAUSED], bridge.now())
            return controls.clear_pause(connection, remediation)

        if not bridge.change(work):
            raise NotFound("nothing is paused")
        return jsonify({"status": "resumed", "remediation": remediation or None})

    @routes.post("/breaker/reset")
    def reset() -> Response:
        remediation, closed = _body().get("remediation"), list[str]()

        def work(connection: Connection) -> bool:
            closed.extend(controls.reset_breaker(connection, remediation))
            decisions.wake(connection, [Verdict.BREAKER_OPEN], bridge.now())
            return bool(closed)

        bridge.change(work)
        return jsonify({"status": "reset", "remediations": closed})

    return routes


def _body() -> dict[str, Any]:
    data = request.get_json(silent=True) if request.data else {}
    if not isinstance(data, dict):
        raise BadRequest("the body is a JSON object")
    return data
