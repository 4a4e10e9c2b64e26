"""Exporter, rules and bridge in one process, as a service; or one cycle of them, to the end."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog
from flask import Flask
from prometheus_client import CollectorRegistry

from bridge.core import Bridge, NotReadyError
from bridge.ledger.store import LedgerError
from bridge.service import BridgeService
from exporters.config import ExporterConfig
from exporters.exporter import Exporter
from remedy.config.problems import ConfigError, Problem
from remedy.runner.watch import Watch


@dataclass(frozen=True)
class RunFiles:
    """The two files that `remedy run` works with, and what the first one says."""

    exporter: ExporterConfig
    remediation: Path
    insecure: bool = False


class RunService:
    """What `remedy run --continuous` serves: the bridge's HTTP side, with the exporter behind it."""

    def __init__(self, files: RunFiles, every: float, clock: Callable[[], float] = time.time) -> None:
        """Make the parts.

        Raises:
            ConfigError: the configuration is wrong, or asks for what only works with an Alertmanager.
        """
        self.exporter = Exporter(files.exporter, CollectorRegistry(), time)
        self.watch = Watch(self.exporter.registry, files.exporter.listen, clock)
        self._service = BridgeService(files.remediation, insecure=files.insecure, observer=self.watch)
        _refuse_alertmanagers(self._service.bridge, files.remediation)
        self._every = every
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="run", daemon=True)
        self._log = structlog.get_logger("run")

    @property
    def wsgi(self) -> Flask:
        """The bridge's HTTP side."""
        return self._service.wsgi

    @property
    def bridge(self) -> Bridge:
        """The bridge."""
        return self._service.bridge

    def start(self) -> None:
        """Begin to check, to decide and to fix."""
        self._service.start()
        self.exporter.start()
        self._thread.start()

    def reload(self) -> None:
        """Read remediation.yml anew."""
        self._service.reload()

    def stop(self) -> None:
        """End: first what finds, then what fixes."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.exporter.stop()
        self._service.stop()

    def look(self) -> None:
        """Evaluate the rules once, and give the bridge what changed."""
        notification = self.watch.look()
        if notification is not None:
            self.bridge.receive(notification)

    def _loop(self) -> None:
        while not self._stopping.wait(self._every):
            try:
                self.look()
            except (NotReadyError, LedgerError) as error:
                self._log.error("a notification could not be made durable", reason=str(error))


def _refuse_alertmanagers(bridge: Bridge, file: Path) -> None:
    """Silences would be overlooked: the alerts of `remedy run` never pass an Alertmanager."""
    if bridge.policy.settings.alertmanagers or bridge.policy.settings.prometheus:
        raise ConfigError(
            [
                Problem(
                    str(file),
                    None,
                    "",
                    "`remedy run` works without Prometheus and Alertmanager: take alertmanagers: and prometheus: out"
                    " (to hold fixes, pause the bridge), or use `remedy exporter` and `remedy bridge`",
                )
            ]
        )
