"""Serve one Flask application with gunicorn: one worker process with threads, its parent restarts it should it die.

SIGHUP reloads the configuration in the running worker, SIGTERM and SIGINT end it cleanly. The service is made in the
worker, after the fork: database connections and threads do not survive one.
"""

import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol

from flask import Flask
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter


class Service(Protocol):
    """What is served: a Flask application with something running behind it."""

    @property
    def wsgi(self) -> Flask:
        """The HTTP side."""

    def start(self) -> None:
        """Begin the work behind it; called once, in the worker."""

    def reload(self) -> None:
        """Read the configuration anew; a wrong one keeps the old one and says so."""

    def stop(self) -> None:
        """End the work behind it, within the grace that it has."""


@dataclass(frozen=True)
class Listen:
    """Where and how to listen."""

    bind: tuple[str, ...]
    """`host:port`, or `unix:/path`."""
    threads: int = 16
    grace_seconds: int = 30
    certfile: str | None = None
    keyfile: str | None = None

    def settings(self) -> dict[str, Any]:
        """Spell it as gunicorn's settings."""
        return {
            "bind": list(self.bind),
            "workers": 1,
            "worker_class": "gthread",
            "threads": self.threads,
            "graceful_timeout": self.grace_seconds,
            "timeout": 60,
            "keepalive": 75,
            "loglevel": "warning",
            "certfile": self.certfile,
            "keyfile": self.keyfile,
            "control_socket_disable": True,
        }


def serve(make: Callable[[], Service], listen: Listen) -> None:
    """Serve until SIGTERM or SIGINT; `make` is called in the worker. Never returns: the process exits."""
    _Application(make, listen).run()


class _ReloadingArbiter(Arbiter):  # type: ignore[misc]
    """gunicorn's parent process, but SIGHUP goes to the worker, which swaps its configuration without a restart."""

    def handle_hup(self) -> None:
        self.kill_workers(signal.SIGHUP)


class _Application(BaseApplication):  # type: ignore[misc]
    def __init__(self, make: Callable[[], Service], listen: Listen) -> None:
        self._make, self._listen = make, listen
        self._service: Service | None = None
        super().__init__()

    def load_config(self) -> None:
        for key, value in self._listen.settings().items():
            self.cfg.set(key, value)
        self.cfg.set("post_worker_init", self._started)
        self.cfg.set("worker_exit", self._ended)

    def load(self) -> Flask:
        self._service = self._make()
        return self._service.wsgi

    def _started(self, _worker: object) -> None:
        service = self._service
        if service is None:
            raise RuntimeError("the worker was started before its application was loaded")

        def reload(_signal: int, _frame: FrameType | None) -> None:
            threading.Thread(target=service.reload, name="reload").start()

        signal.signal(signal.SIGHUP, reload)
        service.start()

    def _ended(self, _arbiter: object, _worker: object) -> None:
        if self._service is not None:
            self._service.stop()

    def run(self) -> None:
        os.environ.setdefault("PYTHONUNBUFFERED", "1")
        _ReloadingArbiter(self).run()
