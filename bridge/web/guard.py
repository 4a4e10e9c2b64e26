"""Looks at every request before it is answered: for whom it is meant, who sends it, and what it wants."""

from collections.abc import Callable
from dataclasses import dataclass

from flask import Response
from werkzeug.wrappers import Request

from bridge.metrics import Answered, Metrics
from bridge.web.access import Admission, Wants
from bridge.web.answers import refusal
from remedy.web.auth import BusyError
from remedy.web.hosts import crosses_sites

WEBHOOK = "/webhook"
_OTHER_HOST, _LATER = 421, 503
_RESULTS = {_OTHER_HOST: Answered.OTHER_HOST, _LATER: Answered.UNAVAILABLE}
_OPEN = ("/metrics", "/-/healthy", "/-/ready")


@dataclass(frozen=True)
class Visitor:
    """Who sent a request that may pass."""

    who: str = "nobody known"
    may_see_output: bool = False
    """Whether it was an operator."""


class Guard:
    """Lets a request pass or refuses it."""

    def __init__(self, admission: Callable[[], Admission], metrics: Metrics) -> None:
        """Go by the admission of the moment."""
        self._admission, self._metrics = admission, metrics

    def look(self, request: Request) -> Visitor | Response:
        """Return who sent it, or a refusal."""
        wants = _wants(request)
        seen = self._seen(request, wants)
        if isinstance(seen, Response) and wants is Wants.NOTIFY:
            self._metrics.notifications.labels(_RESULTS.get(seen.status_code, Answered.UNAUTHORIZED)).inc()
        return seen

    def _seen(self, request: Request, wants: Wants) -> Visitor | Response:
        admission = self._admission()
        access = admission.access
        if not admission.hosts.knows(request.headers.get("Host")):
            return refusal(_OTHER_HOST, "the Host header names another service: add it to web.external_hosts")
        if wants in (Wants.CHANGE, Wants.NOTIFY) and crosses_sites(request.headers):
            return refusal(403, "a page of another site sent this")
        try:
            identity, peer = access.identify(request.headers, request.environ)
        except BusyError as busy:
            return Visitor() if wants is Wants.NOTHING_SECRET else _later(str(busy))
        if access.allows(wants, identity, peer):
            who = Visitor.who if identity is None else f"{identity.name} ({identity.proof.replace('_', ' ')})"
            return Visitor(who, access.allows(Wants.CHANGE, identity, peer))
        if identity is not None:
            return refusal(403, f"{identity.name} may not do this")
        answer = refusal(401, "this needs a credential")
        for challenge in access.challenges():
            answer.headers.add("WWW-Authenticate", challenge)
        return answer

    def finish(self, response: Response) -> Response:
        """Add the headers that the web configuration names."""
        response.headers.update(self._admission().headers)
        return response


def _later(why: str) -> Response:
    """Refuse for now: Alertmanager sends again soon what was answered so, and not for minutes what got a 401."""
    answer = refusal(_LATER, why)
    answer.headers["Retry-After"] = "1"
    return answer


def _wants(request: Request) -> Wants:
    if request.path == WEBHOOK:
        return Wants.NOTIFY
    if request.method not in ("GET", "HEAD"):
        return Wants.CHANGE
    return Wants.NOTHING_SECRET if request.path in _OPEN else Wants.READ
