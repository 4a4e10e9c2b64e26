"""What holds fixes for everybody: pauses and breakers; operators pause, resume and reset."""

from flask import Blueprint, Response, g, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection
from werkzeug.exceptions import NotFound

from bridge.core import Bridge
from bridge.decision import operators
from bridge.decision.pause_file import PauseFile
from bridge.escalation.stories import moment
from bridge.ledger import pages
from bridge.web.body import read_body
from remedy.config.durations import Duration
from remedy.config.problems import did_you_mean

_LONGEST_NAME = 1000
"""Characters. JSON can spell half of a surrogate pair, which the ledger takes for no text: a bound refuses that too."""


class _Pause(BaseModel):
    model_config = ConfigDict(extra="forbid")

    reason: str = Field(min_length=1, max_length=1000)
    duration: Duration | None = None
    remediation: str = Field(default="", max_length=_LONGEST_NAME)


class _Reset(BaseModel):
    model_config = ConfigDict(extra="forbid")

    remediation: str | None = Field(default=None, max_length=_LONGEST_NAME)


def controls_blueprint(bridge: Bridge) -> Blueprint:
    """Make the routes."""
    routes = Blueprint("controls", __name__, url_prefix="/api/v1")

    @routes.get("/pause")
    def pauses() -> Response:
        with bridge.ledger.read() as connection:
            set_ = pages.pauses(connection, bridge.now())
        file = PauseFile(bridge.policy.ledger_file).read()
        there = [] if file is None else [{"remediation": None, "reason": file.reason, "until": None, "at": None}]
        return jsonify({"pauses": there + set_})

    @routes.put("/pause")
    def pause() -> Response:
        wanted = read_body(request, _Pause)
        _known(bridge, wanted.remediation)
        reason, now = f"{wanted.reason}, says {g.who}", bridge.now()
        seconds = None if wanted.duration is None else wanted.duration.total_seconds()

        def work(connection: Connection) -> bool:
            operators.pause(connection, wanted.remediation, reason, seconds, now)
            return True

        bridge.change(work)
        until = None if seconds is None else moment(now + seconds)
        name = wanted.remediation or None
        return jsonify({"status": "paused", "remediation": name, "reason": reason, "until": until})

    @routes.delete("/pause")
    def resume() -> Response:
        remediation = request.args.get("remediation", "")
        if not bridge.change(lambda connection: operators.resume(connection, remediation, bridge.now())):
            _known(bridge, remediation)
            file = PauseFile(bridge.policy.ledger_file).read()
            rest = "" if file is None else f" here, but {file.reason}: remove the file"
            raise NotFound(f"{remediation or 'nothing'} is {'not ' if remediation else ''}paused{rest}")
        return jsonify({"status": "resumed", "remediation": remediation or None})

    @routes.get("/breaker")
    def breakers() -> Response:
        with bridge.ledger.read() as connection:
            return jsonify({"breakers": pages.breakers(connection)})

    @routes.post("/breaker/reset")
    def reset() -> Response:
        remediation, closed = read_body(request, _Reset).remediation, list[str]()

        def work(connection: Connection) -> bool:
            closed.extend(operators.reset_breaker(connection, remediation, bridge.now()))
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
