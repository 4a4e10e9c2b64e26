"""`remedy run` as a service over HTTP, and as a command that comes to an end by itself."""

import os
import signal
import threading
import time
from collections.abc import Callable
from types import FrameType

import click
from flask import Flask
from prometheus_client import CollectorRegistry

from bridge.core import Bridge
from bridge.ledger.store import LedgerError
from bridge.service import BridgeService
from exporters.exporter import Exporter
from remedy.config.logger import structlog
from remedy.config.problems import ConfigError, Problem
from remedy.runner.cycles import Cycles, Rhythm
from remedy.runner.engine import Engine
from remedy.runner.log import DaemonLog
from remedy.runner.record import Counts, Record
from remedy.runner.task import Task
from remedy.runner.watch import Watch

Told = Callable[[Counts], None]


class RunService:
    """What `remedy run --continuous` serves: the bridge's HTTP side, with cycles and exporter behind it."""

    def __init__(self, read: Callable[[], Task], rhythm: Rhythm, told: Told) -> None:
        """Make the parts.

        Raises:
            ConfigError: the configuration is wrong.
        """
        self._read, self._rhythm, self._told = read, rhythm, told
        self._task = task = read()
        self._log = DaemonLog(task.log_file)
        exporter, watch = _eyes(task)
        self._service = BridgeService(task.file, observer=watch, load=lambda: self._task.policy)
        self.engine = Engine(exporter, watch, self._service.bridge)
        self._thread = threading.Thread(target=self._work, name="cycles", daemon=True)

    @property
    def wsgi(self) -> Flask:
        """The bridge's HTTP side."""
        return self._service.wsgi

    def start(self) -> None:
        """Begin to check, to decide and to fix."""
        self._log.take_over()
        _announce(self._task, self._log)
        self.engine.start(self._service.start)
        self._thread.start()

    def reload(self) -> None:
        """Read the configuration anew; a wrong one keeps the old one and says so."""
        try:
            task = self._read()
            self.engine.exporter.adopt(task.exporter)
        except (ConfigError, click.UsageError) as wrong:
            self.engine.bridge.refused()
            structlog.get_logger("run").error("the configuration is wrong, the old one goes on", problems=str(wrong))
            return
        self._task = task
        self._service.reload()

    def stop(self) -> None:
        """End: first what finds, then what fixes."""
        self.engine.stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.engine.stop()
        self._service.stop()

    def _work(self) -> None:
        try:
            self._cycles()
        except Exception as error:  # noqa: BLE001 - a mistake of ours: whoever supervises this process starts it anew
            self._log.say(f"the cycles ended by a mistake: {type(error).__name__}: {error}", "CRITICAL")
            os.kill(os.getpid(), signal.SIGTERM)
        self._log.say("自動修復デーモン停止")

    def _cycles(self) -> None:
        found = self.engine.ready()
        if not self.engine.stopping.is_set():
            record = Record(self._task, self._log, self.engine)
            Cycles(self.engine, record, self._log, self._rhythm, self._told).run(found)


def run_to_the_end(task: Task, rhythm: Rhythm, told: Told) -> int:
    """Run so many iterations in this process, without HTTP; return the exit code: 0 nothing is left, 1 something is.

    Raises:
        ConfigError: the ledger or the exporter's state cannot be opened.
    """
    log = DaemonLog(task.log_file)
    log.take_over()
    _announce(task, log)
    exporter, watch = _eyes(task)
    bridge = Bridge(task.policy, CollectorRegistry(), observer=watch)
    engine = Engine(exporter, watch, bridge, hurried=True)

    def end(_signal: int, _frame: FrameType | None) -> None:
        engine.stopping.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    try:
        engine.start(lambda: _started(bridge, task))
        found = engine.ready()
        if engine.stopping.is_set():
            return 1
        record = Record(task, log, engine)
        return Cycles(engine, record, log, rhythm, told).run(found)
    finally:
        engine.stop()
        bridge.stop()


def _eyes(task: Task) -> tuple[Exporter, Watch]:
    """Make what finds; the watch before the exporter starts, so that lines written while it was down count."""
    exporter = Exporter(task.exporter, CollectorRegistry(), time)
    return exporter, Watch(exporter.registry, task.exporter.listen, time.time)


def _started(bridge: Bridge, task: Task) -> None:
    try:
        bridge.start()
    except LedgerError as error:
        raise ConfigError([Problem(str(task.file), None, "database", str(error))]) from None


def _announce(task: Task, log: DaemonLog) -> None:
    """Say what is not as the files have it, and how fixes are held."""
    log.say("自動修復デーモン起動")
    for note in task.notes:
        log.say(str(note), "WARNING")
    if task.policy.settings.logs.directory is not None:
        log.say("`logs:` is for `remedy bridge`: here all of it is in this log, and alerts.log beside it", "WARNING")
    if not task.policy.settings.alertmanagers:
        held = f"`remedy pause REASON --config {task.file}`, or a file PAUSE in {task.policy.ledger_file.parent},"
        log.say(f"there are no silences without alertmanagers: {held} is all that holds fixes")
