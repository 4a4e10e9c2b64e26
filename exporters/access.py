"""Who may ask the exporter what: this machine, or who shows a credential; metrics and health are open as everywhere.

Once a credential is configured, everything from beyond loopback needs one, as Prometheus' own exporters have it.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum

from flask import Response, request

from exporters.config import ExporterConfig
from remedy.config.problems import ConfigError
from remedy.web.auth import Authenticator, BusyError, TokenFile, Users, token_problems
from remedy.web.hosts import HostCheck, crosses_sites
from remedy.web.peer import Peer, Reach
from remedy.web.webconfig import WebConfig, read_web_config

_ALWAYS = ("/-/healthy",)
_OPEN = ("/metrics", "/health")
"""Open while no credential is configured, and to any `Host`: scrapes come by names that we do not know."""


_LOG_LINES = "/api/v1/matches"
"""Any local user can reach loopback, and may not be one who may read the logs."""


class Role(StrEnum):
    """What a credential stands for: whoever has one may ask for everything."""

    READER = "reader"


class Access:
    """Lets a request pass or refuses it."""

    def __init__(self, authenticator: Authenticator, hosts: HostCheck, headers: Mapping[str, str], *, closed: bool):
        """Take the credentials; `closed`: one is configured, so nothing is open."""
        self._authenticator, self._hosts, self._headers, self._closed = authenticator, hosts, headers, closed

    def look(self) -> Response | None:
        """Return a refusal, or None; for Flask's `before_request`."""
        if request.path in _ALWAYS:
            return None
        if request.path not in _OPEN and not self._hosts.knows(request.headers.get("Host")):
            return _refusal(421, "the Host header names another service: add it to web.external_hosts")
        if request.method not in ("GET", "HEAD") and crosses_sites(request.headers):
            return _refusal(403, "a page of another site sent this")
        peer = Peer.of(request.environ)
        is_open = request.path in _OPEN and not self._closed
        is_open |= peer.reach is not Reach.NETWORK and not (self._closed and request.path == _LOG_LINES)
        try:
            if is_open or self._authenticator.identify(request.headers, peer):
                return None
        except BusyError as busy:
            answer = _refusal(503, str(busy))
            answer.headers["Retry-After"] = "1"
            return answer
        answer = _refusal(401, "this needs a credential: web.config_file or web.bearer_token_file")
        for challenge in self._authenticator.challenges():
            answer.headers.add("WWW-Authenticate", challenge)
        return answer

    def dress(self, answer: Response) -> Response:
        """Add the headers of the web configuration; for Flask's `after_request`."""
        answer.headers.update(self._headers)
        return answer


def access_of(config: ExporterConfig, names: Iterable[str]) -> Access:
    """Collect the credentials that the configuration names; `names` are those of this machine.

    Raises:
        ConfigError: one of them cannot be used.
    """
    token = config.web.bearer_token_file
    problems = token_problems(token) if token is not None else []
    try:
        web = web_config_of(config)
    except ConfigError as wrong:
        problems = [*wrong.problems, *problems]
    if problems:
        raise ConfigError(problems)
    authenticator = Authenticator(
        [TokenFile(token, Role.READER)] if token else [],
        Users(web.basic_auth_users, Role.READER) if web.basic_auth_users else None,
        certificates=Role.READER,
        local_socket=Role.READER,
    )
    hosts = HostCheck([config.listen], [*names, *config.web.external_hosts])
    return Access(authenticator, hosts, web.headers, closed=token is not None or web.authenticates)


def web_config_of(config: ExporterConfig) -> WebConfig:
    """Read the web configuration file, if there is one.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return WebConfig() if config.web.config_file is None else read_web_config(config.web.config_file)


def _refusal(status: int, why: str) -> Response:
    return Response(f"{why}\n", status, content_type="text/plain; charset=utf-8")
