"""What operators change for everybody: pause, resume, reset a breaker."""

from typing import TypeVar

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, NotFound

from bridge.core import Bridge
from bridge.decision.gates import Verdict
from bridge.ledger import controls, decisions
from remedy.config.durations import Duration
from remedy.config.problems import did_you_mean

Body = TypeVar("Body", bound=BaseModel)


class _Pause(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)
    duration: Duration | None = None
    remediation: str = ""


class _Reset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    remediation: str | None = None


def controls_blueprint(bridge: Bridge) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("controls", __name__, url_prefix="/api/v1")

    @routes.put("/pause")
    def pause() -> Response:
        wanted = _body(_Pause)
        _known(bridge, wanted.remediation)
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
            _known(bridge, remediation)
            raise NotFound("nothing is paused")
        return jsonify({"status": "resumed", "remediation": remediation or None})

    @routes.post("/breaker/reset")
    def reset() -> Response:
        remediation, closed = _body(_Reset).remediation, list[str]()

        def work(connection: Connection) -> bool:
            closed.extend(controls.reset_breaker(connection, remediation))
            decisions.wake(connection, [Verdict.BREAKER_OPEN], bridge.now())
            return bool(closed)

        if not bridge.change(work):
            _known(bridge, remediation)
        return jsonify({"status": "reset", "remediations": closed})

    return routes


def _known(bridge: Bridge, name: str | None) -> None:
    """Refuse a name that nothing has: a pause of nothing would look like one."""
    names = [remediation.name for remediation in bridge.policy.remediations]
    if name and name not in names:
        raise NotFound(f"there is no remediation '{name}'{did_you_mean(name, names)}")


def _body(model: type[Body]) -> Body:
    data = request.get_json(silent=True) if request.data else {}
    if not isinstance(data, dict):
        raise BadRequest("the body is a JSON object, sent as application/json")
    try:
        return model.model_validate(data)
    except ValidationError as invalid:
        first = invalid.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise BadRequest(f"{where}: {first['msg'].removeprefix('Value error, ')}") from None
