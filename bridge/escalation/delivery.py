"""Delivers escalations from the outbox, beside everything else: a notifier that hangs or fails never delays a fix.

Each notifier works off its own messages, one after the other, so that none waits for another notifier.
"""

import threading
from collections.abc import Callable

from bridge.escalation import stories
from bridge.escalation.rates import Rates
from bridge.hands import Hands, Task
from bridge.ledger import outbox
from bridge.ledger.outbox import DeliveryState, Escalation
from bridge.ledger.store import Ledger, LedgerError
from bridge.metrics import Metrics
from bridge.notifiers.base import DeliveryError, Message, Notifier, PassingError, PermanentError, State
from bridge.policy.remediation import Policy
from bridge.telling import Event, about
from remedy.config.logger import structlog

_TIMEOUT_SECONDS = 20.0
_TRIES = 10
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 5.0, 600.0
_LOOK_SECONDS = 5.0
_AT_ONCE = 16
"""More notifiers than this take turns."""


class Delivery:
    """A thread that looks into the outbox, and one for each notifier that has something to deliver."""

    def __init__(
        self, ledger: Ledger, policy: Callable[[], Policy], metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._ledger, self._policy, self._metrics, self._clock = ledger, policy, metrics, clock
        self._log = structlog.get_logger("delivery")
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="delivery", daemon=True)
        self._hands = Hands("notify", most=_AT_ONCE)
        self._rates = Rates()
        self._busy: set[str] = set()

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    def stop(self) -> None:
        """End; what is not delivered stays in the outbox, and a notifier that hangs is not waited for."""
        self._stopping = True
        self._wake.set()
        self._thread.join()

    def _loop(self) -> None:
        while not self._stopping:
            try:
                self._look()
            except Exception as error:  # noqa: BLE001 - it must not end; what is in the outbox stays there
                self._log.error("the outbox cannot be worked on", error=str(error))
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()

    def _look(self) -> None:
        with self._ledger.read() as connection:
            ended = outbox.ended(connection)
        if ended:
            self._ledger.write(lambda connection: outbox.end(connection, ended, self._clock()))
        with self._ledger.read() as connection:
            waiting = outbox.waiting(connection, self._clock())
        for name in set(waiting) - self._busy:
            self._busy.add(name)
            try:
                self._hands.start(Task(self._work_off, name))
            except RuntimeError:  # no thread can be started: at the next look, perhaps
                self._busy.discard(name)
                raise

    def _work_off(self, name: str) -> None:
        """Deliver what is due for a notifier."""
        try:
            while not self._stopping and (escalation := self._next(name)) is not None:
                self._deliver(escalation)
        except LedgerError as error:
            self._log.error("the outbox cannot be worked on", error=str(error))
        finally:
            self._busy.discard(name)

    def _next(self, name: str) -> Escalation | None:
        """Return what is to be delivered next, unless the notifier has had enough for now."""
        now = self._clock()
        with self._ledger.read() as connection:
            escalation = outbox.first_due(connection, name, now)
        notifier = self._policy().notifiers.get(name)
        if escalation is None or notifier is None or self._rates.take(name, notifier.rate_limit, now):
            return escalation
        self._log.info("messages wait for the rate limit", notifier=name)
        return None

    def _deliver(self, escalation: Escalation) -> None:
        try:
            result = self._hand_over(escalation)
        except DeliveryError as error:
            self._failed(escalation, error)
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001 - a notifier's mistake is a failed delivery, not the end of all
            self._failed(escalation, PermanentError(f"the notifier failed with {type(error).__name__}"))
        else:
            self._ledger.write(lambda connection: outbox.done(connection, escalation))
            self._count(escalation, result)
            with _about(escalation):
                self._log.info(Event.TOLD, notifier=escalation.notifier, title=escalation.title, result=result)

    def _hand_over(self, escalation: Escalation) -> str:
        """Deliver a message, and return what the metrics call that."""
        policy = self._policy()
        notifier = policy.notifiers.get(escalation.notifier)
        if notifier is None:
            raise PermanentError(f"the notifier '{escalation.notifier}' is no longer configured")
        remediation = policy.named(escalation.remediation)
        runbook_url = remediation.runbook_url if remediation else None
        if escalation.state is DeliveryState.PENDING:
            notifier.deliver(
                _message(escalation, State.RAISED, escalation.title, escalation.story, runbook_url), _TIMEOUT_SECONDS
            )
            return "delivered"
        return self._hand_over_the_end(escalation, notifier, runbook_url)

    def _hand_over_the_end(self, escalation: Escalation, notifier: Notifier, runbook_url: str | None) -> str:
        with self._ledger.read() as connection:
            needless = not notifier.send_resolved or outbox.raised_again(connection, escalation)
            reason = escalation.close_reason
            story = stories.ending(connection, escalation.episode, escalation.remediation, reason)
        if needless:
            return "not_needed"
        title = stories.title(escalation.episode, escalation.remediation, "over")
        notifier.deliver(_message(escalation, State.RESOLVED, title, story, runbook_url), _TIMEOUT_SECONDS)
        return "resolved"

    def _failed(self, escalation: Escalation, error: DeliveryError) -> None:
        tries = escalation.tries + 1
        dead = isinstance(error, PermanentError) or tries >= _TRIES
        asked = error.wait if isinstance(error, PassingError) else 0
        wait = max(asked, min(_FIRST_WAIT_SECONDS * 2**escalation.tries, _LONGEST_WAIT_SECONDS))
        due = None if dead else self._clock() + wait
        self._ledger.write(lambda connection: outbox.failed(connection, escalation, tries, str(error), due))
        self._count(escalation, "dead" if dead else "failed")
        with _about(escalation):
            self._log.warning(Event.NOT_TOLD, notifier=escalation.notifier, reason=str(error), dead=dead)

    def _count(self, escalation: Escalation, result: str) -> None:
        self._metrics.escalations.labels(escalation.remediation, escalation.notifier, result).inc()


def _about(escalation: Escalation) -> about:
    return about(escalation.episode, escalation.remediation, escalation.run_id)


def _message(escalation: Escalation, state: State, title: str, story: str, runbook_url: str | None) -> Message:
    labels = escalation.episode.labels
    return Message(
        title=title,
        story=story,
        dedup_key=f"{escalation.episode.fingerprint}/{escalation.remediation}",
        severity=labels.get("severity", "warning"),
        labels=labels,
        runbook_url=runbook_url,
        state=state,
    )
