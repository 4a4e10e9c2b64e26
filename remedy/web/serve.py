"""Serve one WSGI application with gunicorn: one worker process with threads, its parent restarts it should it die.

SIGHUP reloads the configuration in the running worker, SIGTERM and SIGINT end it cleanly: the work behind it begins to
end at once, however long requests that are under way still take. The service is made in the
worker, after the fork: database connections and threads do not survive one. Its work begins before its HTTP side is
made: after a crash, what waits to be done is what is urgent. systemd is told that the service is ready
when it is, not when its parent process is; the parent feeds the watchdog, and itself replaces a worker that hangs.
"""

import gc
import logging
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import AppImportError

from remedy.config.extras import MissingExtra
from remedy.config.problems import ConfigError
from remedy.web.notify import Systemd
from remedy.web.patience import PatientWorker
from remedy.web.tls import ServerTls
from remedy.web.webconfig import TlsServerConfig

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication


class Service(Protocol):
    """What is served: an application with something running behind it."""

    @property
    def wsgi(self) -> "WSGIApplication":
        """The HTTP side; asked for when the work behind it has begun."""

    def start(self) -> None:
        """Begin the work behind it; called once, in the worker.

        Raises:
            ConfigError, MissingExtra: it cannot begin; the process ends with what they say.
        """

    def reload(self) -> None:
        """Read the configuration anew; a wrong one keeps the old one and says so. Never called twice at once."""

    def stop(self) -> None:
        """End the work behind it, within the grace that it has."""


@dataclass(frozen=True)
class Listen:
    """Where and how to listen."""

    bind: tuple[str, ...]
    """`host:port`, or `unix:/path`: a local socket that its owner and group may use (0660), never with TLS."""
    threads: int = 16
    grace_seconds: int = 30
    tls: TlsServerConfig | None = None
    """From `read_web_config`. Renewed certificates are picked up; other changes of it need a restart."""

    def settings(self) -> dict[str, Any]:
        """Spell it as gunicorn's settings."""
        return {
            "bind": list(self.bind),
            "umask": 0o117,  # of the local sockets only
            "workers": 1,
            "worker_class": _Worker,
            "threads": self.threads,
            "graceful_timeout": self.grace_seconds,
            "timeout": 60,
            "keepalive": 75,
            "loglevel": "warning",
            "forwarded_allow_ips": "",
            "control_socket_disable": True,
            **(_tls_settings(self.tls) if self.tls is not None else {}),
        }


class _Worker(PatientWorker):
    """Lets the work behind it end while the requests that are under way are answered."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Called at SIGTERM; what is deferred is done outside of the signal's handler."""
        super().handle_exit(sig, frame)
        self.method_queue.defer(self.app.begin_to_end)


def _tls_settings(config: TlsServerConfig) -> dict[str, Any]:
    tls = ServerTls(config, warn=logging.getLogger("gunicorn.error").warning)
    return {
        "certfile": str(config.cert_file),
        "keyfile": str(config.key_file),
        "do_handshake_on_connect": True,
        "ssl_context": lambda _config, _default_factory: tls,
    }


def serve(make: Callable[[], Service], listen: Listen) -> None:
    """Serve until SIGTERM or SIGINT; `make` is called in the worker. Never returns: the process exits."""
    _Application(make, listen, Systemd.taken_from(os.environ)).run()


class _ReloadingArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's parent process, but SIGHUP goes to the worker, which swaps its configuration without a restart."""

    def handle_hup(self) -> None:
        self.kill_workers(signal.SIGHUP)

    def halt(self, reason: str | None = None, exit_status: int = 0) -> None:
        """End, with exit code 2 where the configuration is wrong, as every command of ours."""
        super().halt(reason, 2 if exit_status == self.APP_LOAD_ERROR else exit_status)

    def murder_workers(self) -> None:
        """Called once a second or more often, and replaces a worker that hangs."""
        super().murder_workers()
        self.app.systemd.alive()


class _Application(BaseApplication):  # type: ignore[misc]
    def __init__(self, make: Callable[[], Service], listen: Listen, systemd: Systemd) -> None:
        self._make, self._listen, self.systemd = make, listen, systemd
        self._service: Service | None = None
        self._reloading = threading.Lock()
        self._ending: threading.Thread | None = None
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._listen.settings().items():
            self.cfg.set(key, value)
        self.cfg.set("post_worker_init", self._ready)
        self.cfg.set("worker_exit", self._ended)

    def load(self) -> "WSGIApplication":
        signal.signal(signal.SIGHUP, self._on_hup)
        with self._reloading:
            try:
                self._service = service = self._make()
                service.start()
            except (ConfigError, MissingExtra) as wrong:
                raise AppImportError(str(wrong)) from None  # gunicorn prints it, without a trace, and ends
            return service.wsgi

    def _on_hup(self, _signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=self._reload, name="reload").start()

    def _reload(self) -> None:
        with self._reloading:
            if self._service is not None:
                self._service.reload()

    def _ready(self, _worker: object) -> None:
        gc.freeze()  # what is there by now stays; to search it for garbage held everything up for 80 ms now and then
        self.systemd.ready()

    def begin_to_end(self) -> None:
        """End the work behind it, beside what is still answered; only the first call does anything."""
        if self._service is not None and self._ending is None:
            self._ending = threading.Thread(target=self._service.stop, name="stop")
            self._ending.start()

    def _ended(self, _arbiter: object, _worker: object) -> None:
        self.begin_to_end()
        if self._ending is not None:
            self._ending.join()

    def run(self) -> None:
        os.environ.setdefault("PYTHONUNBUFFERED", "1")
        gc.freeze()  # the worker shares with its parent what no search for garbage touches: a tenth of their memory
        _ReloadingArbiter(self).run()
