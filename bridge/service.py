"""The bridge as a service over HTTP: what `remedy.web.serve` starts, reloads and stops."""

import errno
import math
import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry

from bridge.core import Bridge
from bridge.ledger import spare
from bridge.ledger.store import LedgerError
from bridge.peers.observer import Observer
from bridge.policy.loading import load_policy
from bridge.policy.remediation import Policy
from bridge.web.access import Access, Admission, Role
from remedy.config.logger import structlog
from remedy.config.problems import ConfigError, Problem, did_you_mean
from remedy.web.auth import TokenFile, Users, refuse_open, token_problems
from remedy.web.hosts import HostCheck
from remedy.web.serve import Listen
from remedy.web.webconfig import ClientAuth, WebConfig, read_web_config

if TYPE_CHECKING:
    from flask import Flask

_TO_END_SECONDS = 10
"""So long may it take to end what is left after the grace of the steps, before gunicorn kills it."""
_THREADS = 64
"""That answer; none is there before it is needed, and so many senders may be slow at once before others wait."""
_LONGEST_SOCKET = 107
"""Bytes that the path of a local socket may have (unix(7), less the ending zero)."""


class BridgeService:
    """One bridge and its HTTP side, for one configuration file."""

    def __init__(
        self,
        file: Path,
        *,
        insecure: bool = False,
        observer: Observer | None = None,
        load: Callable[[], Policy] | None = None,
    ) -> None:
        """Read the configuration; `observer` stands in for its Prometheus, `load` for reading the file as it is.

        Raises:
            ConfigError: it is wrong.
        """
        self._file, self._insecure = file, insecure
        self._adopting = threading.Lock()
        self._load = load or (lambda: load_policy(file, insecure=insecure))
        policy = self._load()
        self._admission = _admission(policy, insecure=insecure)
        self._registry = CollectorRegistry()
        self.bridge = Bridge(policy, self._registry, observer=observer)

    @cached_property
    def wsgi(self) -> "Flask":
        """The HTTP side."""
        from bridge.web.app import make_app  # noqa: PLC0415 - Flask takes a while, and fixes do not wait for it

        return make_app(self.bridge, self._registry, lambda: self._admission, self._adopt)

    def start(self) -> None:
        """Open the ledger and begin to decide.

        Raises:
            ConfigError: the ledger cannot be opened.
        """
        try:
            self.bridge.start()
        except LedgerError as error:
            raise ConfigError([Problem(str(self._file), None, "database", str(error))]) from None

    def reload(self) -> None:
        """Read the configuration anew; a wrong one keeps the old one and says so."""
        try:
            self._adopt()
        except ConfigError as wrong:
            structlog.get_logger("bridge").error("the configuration is wrong, the old one goes on", problems=str(wrong))
        except LedgerError as error:
            structlog.get_logger("bridge").error("the configuration was read, but not decided again", reason=str(error))

    def stop(self) -> None:
        """End the work."""
        self.bridge.stop()

    def _adopt(self) -> None:
        with self._adopting:  # a signal and a request may come together: what was read last must hold
            try:
                policy = self._load()
                admission = _admission(policy, insecure=self._insecure)
                listen_of(policy, insecure=self._insecure)
            except ConfigError:
                self.bridge.refused()
                raise
            self._admission = admission
            self.bridge.adopt(policy)


def _admission(policy: Policy, *, insecure: bool) -> Admission:
    web = policy.settings.web
    headers = _web_config(policy, insecure=insecure).headers
    return Admission(access_of(policy, insecure=insecure), HostCheck([web.listen], web.external_hosts), headers)


def listen_of(policy: Policy, *, insecure: bool = False) -> Listen:
    """Say where and how to listen; refuses to be reached by others who do not have to authenticate.

    Raises:
        ConfigError: it would be, or the web configuration is wrong.
    """
    web = policy.settings.web
    config = _web_config(policy, insecure=insecure)
    authenticates = web.bearer_token_file is not None or config.authenticates
    refuse_open((web.listen,), authenticates=authenticates, remedy="set web.bearer_token_file or web.config_file")
    return Listen(
        bind=(web.listen, f"unix:{socket_of(policy)}"),
        threads=_THREADS,
        grace_seconds=math.ceil(policy.settings.shutdown_grace.total_seconds()) + _TO_END_SECONDS,
        tls=config.tls_server_config,
    )


def socket_of(policy: Policy) -> Path:
    """Return where the local socket is: beside the ledger.

    Raises:
        ConfigError: its path is longer than the path of a socket may be.
    """
    socket = policy.ledger_file.with_name("bridge.sock")
    if len(str(socket).encode()) > _LONGEST_SOCKET:
        why = f"the local socket beside it would have a path of over {_LONGEST_SOCKET} bytes: use a shorter folder"
        raise ConfigError([Problem(str(policy.ledger_file), None, "database", why)])
    return socket


def make_folder(policy: Policy, file: Path) -> None:
    """Make the folder of the ledger, where the local socket is made too; `file` is named in the error.

    Raises:
        ConfigError: it cannot be made, or nothing can be written there.
    """
    folder = policy.ledger_file.parent
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        TemporaryFile(dir=folder).close()
    except OSError as error:
        if error.errno == errno.ENOSPC:  # it is full, which is no reason not to start: what is here may fix that
            spare.give(policy.ledger_file)
            return
        why = f"nothing can be written to {folder}: {error.strerror}"
        raise ConfigError([Problem(str(file), None, "database", why)]) from None


def access_of(policy: Policy, *, insecure: bool = False) -> Access:
    """Collect the credentials that the configuration names.

    Raises:
        ConfigError: one of them cannot be used.
    """
    config = _web_config(policy, insecure=insecure)
    token = policy.settings.web.bearer_token_file
    if token is not None and (problems := token_problems(token, insecure=insecure)):
        raise ConfigError(problems)
    tls = config.tls_server_config
    certificates = tls is not None and tls.client_auth_type is not ClientAuth.NONE
    operators = policy.settings.web.operators
    unknown = [name for name in operators or () if name not in config.basic_auth_users and not certificates]
    if unknown:
        file = str(policy.settings.web.config_file or "remediation.yml")
        raise ConfigError(
            Problem(
                file, None, "web.operators", f"no user is called '{name}'{did_you_mean(name, config.basic_auth_users)}"
            )
            for name in unknown
        )
    return Access(
        [TokenFile(token, Role.SENDER)] if token else [],
        Users(config.basic_auth_users, Role.OPERATOR) if config.basic_auth_users else None,
        certificates=certificates,
        operators=operators,
    )


def _web_config(policy: Policy, *, insecure: bool) -> WebConfig:
    file = policy.settings.web.config_file
    return WebConfig() if file is None else read_web_config(file, insecure=insecure)
