"""The bridge without HTTP: notifications in, decisions and runs out; `remedy run` uses it as `remedy bridge` does."""

import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.actions.backups.store import BackupStore
from bridge.decision import again
from bridge.decision.explanation import as_episodes, explain, explain_the_rest
from bridge.decision.intake import Intake, Receipt, no_look
from bridge.decision.payload import Notification
from bridge.decision.remembered import known, remembering
from bridge.decision.together import take_together
from bridge.escalation.delivery import Delivery
from bridge.hands import Hands
from bridge.ledger import controls, episodes, sqlite
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.store import Ledger, LedgerError
from bridge.lock import LedgerLock
from bridge.metrics import Metrics, State, StateCollector
from bridge.peers.observer import Observer
from bridge.peers.others import Others
from bridge.policy.remediation import Policy
from bridge.run.dispatcher import Dispatcher
from bridge.run.runner import Runner
from bridge.steady import SteadyClock
from bridge.telling import tell
from remedy.config.logger import structlog

_LOCK_SECONDS = 0.2
_THREADS = 256
"""As many runs may be under way: `limits.concurrent` goes no further."""


class NotReadyError(Exception):
    """The bridge cannot take anything yet; the message is a sentence."""


@dataclass(frozen=True)
class _Parts:
    """What exists while the lock is held."""

    ledger: Ledger
    others: Others
    dispatcher: Dispatcher
    delivery: Delivery


class Bridge:
    """One bridge over one ledger. Everything begins in `start` and ends in `stop`."""

    def __init__(
        self,
        policy: Policy,
        registry: CollectorRegistry,
        *,
        observer: Observer | None = None,
        clock: SteadyClock | None = None,
    ) -> None:
        """Take the policy; `observer` stands in for the Prometheus of the configuration."""
        clock = clock or SteadyClock()
        self.policy = policy
        self.metrics = Metrics(registry)
        self.metrics.expect(policy.remediations)
        self.metrics.reload_successful.set(1)
        registry.register(StateCollector(self._state))
        self._given_observer, self._clock = observer, clock
        self.backups = BackupStore(policy.ledger_file.parent / "backups", lambda: self.policy.settings.backups, clock)
        """What runs kept of what they changed."""
        self._lock = LedgerLock(policy.ledger_file)
        self._log = structlog.get_logger("bridge")
        self._parts: _Parts | None = None
        self._stopping = threading.Event()
        self._opener = threading.Thread(target=self._open, name="open", daemon=True)
        self._standing_by = "the bridge is starting"

    @property
    def ready(self) -> bool:
        """Whether notifications can be made durable."""
        return self.trouble is None

    @property
    def trouble(self) -> str | None:
        """Why notifications cannot be made durable now; None where they can."""
        parts = self._parts
        return self._standing_by if parts is None else parts.ledger.trouble

    @property
    def ledger(self) -> Ledger:
        """The ledger.

        Raises:
            NotReadyError: it is not open.
        """
        return self._open_parts().ledger

    def now(self) -> float:
        """Return the time by the bridge's clock, as unix seconds."""
        return self._clock()

    def start(self) -> None:
        """Open the ledger as soon as its lock can be had, take up what was left, and begin to decide.

        Raises:
            LedgerError: the ledger cannot be opened.
        """
        if self._try_to_open():
            return
        self._standing_by = f"another bridge works on {self.policy.ledger_file}"
        self._log.warning("waiting", reason=self._standing_by)
        self._opener.start()

    def receive(self, notification: Notification) -> Receipt:
        """Record a notification; when this returns it is durable.

        Raises:
            NotReadyError: the ledger is not open.
            LedgerError: it could not be made durable.
        """
        parts = self._open_parts()
        try:
            receipt = parts.ledger.write_together(self._take_together, notification)
        except SQLAlchemyError as error:  # the database took it for no failure of its own, but nothing was kept
            why = str(getattr(error, "orig", None) or error).partition("\n")[0]
            raise LedgerError(f"the ledger did not take it: {why}") from None
        self.metrics.count(receipt.decided, receipt.ended)
        if receipt.news or receipt.malformed:
            self._tell(receipt)
        if receipt.waits:  # what is only repeated leaves nothing new to decide
            parts.dispatcher.wake()
        return receipt

    def explain(self, notification: Notification | None) -> list[dict[str, Any]]:
        """Explain the alerts of a notification, or every open episode; see `explanation`.

        Raises:
            NotReadyError: the ledger is not open.
        """
        parts, policy, now = self._open_parts(), self.policy, self._clock()
        with parts.ledger.read() as connection:
            if notification is None:
                fires = [episode for episode, _ in episodes.in_state(connection, EpisodeState.OPEN)]
            else:
                fires = known(connection, as_episodes(notification, now))
            standings = parts.others.ask(fires) if fires else {}
            remember = remembering(connection, policy, now, parts.dispatcher.pause_file.read())
            found = [
                each
                for episode in fires
                for each in explain(policy, episode, remember, standings[episode.fingerprint], now)
            ]
            return found + (explain_the_rest(notification) if notification else [])

    def change(self, work: Callable[[Connection], bool]) -> bool:
        """Change something in the ledger on a person's behalf, and look at everything that it may concern.

        Raises:
            NotReadyError: the ledger is not open.
        """
        parts = self._open_parts()
        changed = parts.ledger.write(work)
        parts.dispatcher.wake()
        return changed

    def adopt(self, policy: Policy) -> None:
        """Go on with another policy; a run under way keeps the one it started with."""
        self.policy = policy
        self.metrics.expect(policy.remediations)
        self.metrics.reload_successful.set(1)
        if self._parts is not None:
            self._parts.others.adopt(policy.settings)
            self._parts.ledger.reserve.size = policy.settings.reserve
            receipt = self._parts.ledger.write(lambda c: again.after_reload(c, policy, self._clock()))
            self.metrics.count(receipt.decided, receipt.ended)
            self._tell(receipt)
            self._parts.dispatcher.wake()

    def refused(self) -> None:
        """Say in the metrics that the configuration that was read last is not the one in use."""
        self.metrics.reload_successful.set(0)

    def stop(self) -> None:
        """Start nothing more, give what runs a moment, and close."""
        self._stopping.set()
        if self._opener.ident is not None:
            self._opener.join()
        parts, self._parts, self._standing_by = self._parts, None, "the bridge is stopping"
        if parts is not None:
            parts.dispatcher.stop(self.policy.settings.shutdown_grace.total_seconds())
            parts.delivery.stop()
            parts.others.close()
            parts.ledger.close()
        self._lock.release()

    def _tell(self, receipt: Receipt) -> None:
        tell(self._log, receipt.news)
        if receipt.malformed:
            self._log.warning("malformed alerts", count=receipt.malformed)

    def _take_together(self, connection: Connection, notifications: list[Notification]) -> list[Receipt]:
        policy, now, parts = self.policy, self._clock(), self._parts
        at_once = parts is not None and parts.others.asks_nobody
        look = parts.dispatcher.first_look(connection, policy, now, notifications) if parts and at_once else no_look
        return take_together(lambda: Intake(connection, policy, now, look), notifications)

    def _open(self) -> None:
        while not self._stopping.wait(_LOCK_SECONDS):
            try:
                if self._try_to_open():
                    return
            except Exception as error:  # noqa: BLE001 - it must not end: nothing else would ever make the bridge ready
                why = f"the ledger cannot be taken over: {sqlite.sentence(error)}"
                if why != self._standing_by:
                    self._standing_by = why
                    self._log.error("cannot take over", reason=why, exc_info=not isinstance(error, LedgerError))

    def _try_to_open(self) -> bool:
        try:
            if not self._lock.take():
                return False
        except OSError as error:
            raise LedgerError(f"{self._lock.file} cannot be made: {error.strerror}") from None
        settings = self.policy.settings
        ledger = Ledger(settings.database, reserve=settings.reserve)
        try:
            self._parts = self._begin(ledger)
        except BaseException:
            ledger.close()
            raise
        return True

    def _begin(self, ledger: Ledger) -> _Parts:
        """Take up what was left in the ledger, and begin to decide."""
        settings = self.policy.settings
        others = Others(settings, self._given_observer, self._clock)
        runner = Runner(
            ledger,
            others,
            self.metrics,
            token=uuid.uuid4().hex,
            backups=self.backups,
            ours=(str(ledger.path.resolve()), str(self.backups.folder.resolve())),
            clock=self._clock,
        )
        dispatcher = Dispatcher(
            ledger,
            lambda: self.policy,
            others.ask,
            runner,
            self.metrics,
            workers=Hands("run", most=_THREADS),
            clock=self._clock,
        )
        delivery = Delivery(ledger, lambda: self.policy, self.metrics, self._clock)
        try:
            dispatcher.recover()
            dispatcher.start()
            delivery.start()
        except BaseException:  # another one may be begun soon: what this one took up must not go on beside it
            dispatcher.stop(0)
            others.close()
            raise
        self.metrics.watch_ledger(lambda: ledger.reserve.held, lambda: ledger.trouble is None)
        if (warning := sqlite.warning()) is not None:
            self._log.warning("the version of SQLite", reason=warning)
        return _Parts(ledger, others, dispatcher, delivery)

    def _open_parts(self) -> _Parts:
        if self._parts is None:
            raise NotReadyError(self._standing_by)
        return self._parts

    def _state(self) -> State:
        if self._parts is None:
            return State({}, paused=False, breakers={})
        names = [remediation.name for remediation in self.policy.remediations]
        with self._parts.ledger.read() as connection:
            state = controls.state(connection, names, self._clock())
        return replace(state, paused=state.paused or self._parts.dispatcher.pause_file.read() is not None)
