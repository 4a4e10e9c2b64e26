"""Exporter, rules and bridge in one process: what a cycle finds goes into the bridge, one alert after the other."""

import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection

from bridge.core import Bridge, NotReadyError
from bridge.decision.gates import Verdict
from bridge.decision.payload import Alert, Notification
from bridge.ledger import decisions, progress
from bridge.ledger.store import LedgerError
from exporters.config import ExporterConfig
from exporters.exporter import Exporter
from exporters.health import Overall, overall
from exporters.logs.redaction import shown
from exporters.probing import NotProbedError
from remedy.config.logger import structlog
from remedy.runner.rules import CERTAIN
from remedy.runner.takeover import ended_meanwhile
from remedy.runner.watch import Watch

_KEEP_SECONDS = 1.0
"""How often it is looked whether what fires has ended."""
_POLL_SECONDS = 0.05
_READ_SECONDS, _CHECK_SECONDS = 5.0, 30.0
"""So long at most the first cycle waits for the logs to be read, and for every check to have run."""
_TELL_SECONDS = 15.0


def _nothing() -> None:
    """Tell nothing."""


class Engine:
    """What finds, and what fixes; the cycles drive it."""

    def __init__(self, exporter: Exporter, watch: Watch, bridge: Bridge, *, hurried: bool = False) -> None:
        """Take the parts; `watch` is the bridge's observer.

        `hurried`: somebody waits for the end, so what fails is checked again at once, until its alert is certain and
        after its fix.
        """
        self.exporter, self.watch, self.bridge, self._hurried = exporter, watch, bridge, hurried
        self.stopping = threading.Event()
        self.began = 0.0
        """When the bridge was started, by its clock."""
        self._found: list[Alert] = []
        self._looking = threading.Lock()
        self._thread = threading.Thread(target=self._keep, name="keep", daemon=True)
        self._log = structlog.get_logger("run")

    def start(self, start_bridge: Callable[[], None]) -> None:
        """Begin: look at the logs first, then let the bridge take up what was left, knowing what fires by now.

        Raises:
            ConfigError: `start_bridge` does.
        """
        self.exporter.start()
        self._wait(self._has_read, _READ_SECONDS)
        self._found = self._look(begin=True)
        self.began = self.bridge.now()
        start_bridge()

    def ready(self) -> list[Alert]:
        """Wait until the bridge can take alerts and every check has run; return what fires already."""
        self._wait(lambda: self.bridge.ready, None)
        if not self.stopping.is_set():
            self._end_what_is_over()
            self.bridge.change(self._look_at_cooldowns)
            self._thread.start()
            self._wait(self._has_checked, _CHECK_SECONDS)
            if self._hurried:
                self._wait(self._is_certain, _CHECK_SECONDS)
                self._found += self.detect()
        return _firing(self._found)

    def detect(self) -> list[Alert]:
        """Look for what is new; return it."""
        found = self._look(begin=True)
        self._tell([alert for alert in found if alert.status == "resolved"])
        return _firing(found)

    def give(self, alert: Alert, meanwhile: Callable[[], None]) -> None:
        """Give the bridge an alert, and wait until it has decided and whatever it does at first is done.

        So no two of the first attempts are under way at the same time, as it was with the daemon. `meanwhile` is called
        again and again, to tell what is going on.
        """
        self._tell([alert])
        self._wait(lambda: not self._busy(self.bridge.now()), None, meanwhile)

    def settle(self, meanwhile: Callable[[], None]) -> None:
        """Wait until every attempt that has begun, or is due, by now is verified, and people are told.

        Retries that become due meanwhile are begun, but not waited for: the next call looks how they did.
        """
        due = self.bridge.now()
        self._wait(lambda: not self._busy(due), None, meanwhile)
        waited_for = self._verifying()

        def verified() -> bool:
            waited_for.intersection_update(self._verifying())
            return not waited_for and not self._busy(due)

        self._wait(verified, None, meanwhile)
        self._wait(self._told, _TELL_SECONDS)

    def adopt(self, exporter: ExporterConfig) -> None:
        """Go on with another configuration of the exporter."""
        self.exporter.adopt(exporter)

    def latest(self, pattern: str) -> dict[str, str]:
        """Return the newest matching line of a pattern by source, without what may be a secret."""
        return {source: shown(lines[-1]) for source, lines in self.exporter.counts.latest(pattern).items() if lines}

    def health(self) -> Overall:
        """Return how the checks stand together."""
        return overall(self.exporter.standings())

    def failing(self) -> list[str]:
        """Say which checks fail now: those that failed when they ran last are run again, since much was done since."""
        standings = self.exporter.standings()
        again = [name for name, standing in standings.items() if standing.failures]
        return [why for name in again if (why := self._fails(name)) is not None]

    def _fails(self, name: str) -> str | None:
        try:
            standing, run = self.exporter.probe(name, _CHECK_SECONDS)
        except NotProbedError as why:
            return f"{name}: {why}"
        return f"{name}: {run.result.message}" if standing.after(run).failures else None

    def stop(self) -> None:
        """End what finds; whoever started the bridge ends it."""
        self.stopping.set()
        if self._thread.ident is not None:
            self._thread.join()
        self.exporter.stop()

    def _look(self, *, begin: bool) -> list[Alert]:
        with self._looking:
            notification = self.watch.look(begin=begin)
        return [] if notification is None else list(notification.alerts)

    def _keep(self) -> None:
        """Between the cycles: end what has ended, so that a fix can be proven."""
        while not self.stopping.wait(_KEEP_SECONDS):
            try:
                self._keep_up()
            except Exception as error:  # noqa: BLE001 - proofs need this thread; what failed is tried again
                self._log.error("looking failed", reason=f"{type(error).__name__}: {error}")

    def _keep_up(self) -> None:
        if any("pattern" in labels for labels in self.watch.firing()):
            self._forget_fixed()
        if self._hurried:
            self.exporter.again()
        self._tell(self._look(begin=False))

    def _forget_fixed(self) -> None:
        """What is proven may begin again at once: the next line is new, and not part of what was fixed."""
        with self.bridge.ledger.read() as connection:
            fixed = progress.fixed(connection)
        for episode in fixed:
            if "pattern" in episode.labels:
                self.watch.forget(episode.labels["pattern"], episode.labels.get("source", ""))

    def _tell(self, alerts: list[Alert]) -> None:
        if not alerts:
            return
        try:
            self.bridge.receive(Notification("", "run", "", 0, alerts))
        except (NotReadyError, LedgerError) as error:
            self._log.error("a notification could not be made durable", reason=str(error))

    def _end_what_is_over(self) -> None:
        with self.bridge.ledger.read() as connection:
            left = progress.standing(connection)
        self._tell(ended_meanwhile(left, self.watch))

    def _look_at_cooldowns(self, connection: Connection) -> bool:
        """Decide anew what a cooldown holds: it may be shorter now, or ignored."""
        decisions.wake(connection, (Verdict.COOLDOWN,), self.bridge.now())
        return True

    def _has_read(self) -> bool:
        return not sum(sample.value for sample in self.watch.series("log_source_lag_bytes", {}))

    def _has_checked(self) -> bool:
        return all(standing.last for standing in self.exporter.standings().values())

    def _is_certain(self) -> bool:
        """Tell whether each check is healthy, or has failed as often as its alert wants; if not, ask again."""
        doubtful = any(0 < standing.failures < CERTAIN for standing in self.exporter.standings().values())
        if doubtful:
            self.exporter.again()
        return not doubtful

    def _busy(self, due: float) -> bool:
        """Tell whether something that was due then is not decided, or any run is in its steps."""
        with self.bridge.ledger.read() as connection:
            return progress.undecided(connection, due) or progress.at_work(connection)

    def _verifying(self) -> set[int]:
        with self.bridge.ledger.read() as connection:
            return progress.verifying(connection)

    def _told(self) -> bool:
        with self.bridge.ledger.read() as connection:
            return not progress.untold(connection, self.bridge.now())

    def _wait(self, done: Callable[[], bool], seconds: float | None, meanwhile: Callable[[], None] = _nothing) -> None:
        until = None if seconds is None else time.monotonic() + seconds
        while not self.stopping.is_set() and not done():
            if until is not None and time.monotonic() >= until:
                return
            meanwhile()
            self.stopping.wait(_POLL_SECONDS)


def _firing(alerts: list[Alert]) -> list[Alert]:
    return [alert for alert in alerts if alert.status == "firing"]
