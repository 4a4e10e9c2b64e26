"""Delivers escalations from the outbox, beside everything else: a notifier that hangs or fails never delays a fix."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import structlog

from bridge.ledger import outbox
from bridge.ledger.outbox import Escalation
from bridge.ledger.store import Ledger, LedgerError
from bridge.metrics import Metrics
from bridge.notifiers.base import DeliveryError, Message, PermanentError
from bridge.policy.remediation import Policy

_TIMEOUT_SECONDS = 20.0
_TRIES = 10
_FIRST_WAIT_SECONDS, _LONGEST_WAIT_SECONDS = 5.0, 600.0
_LOOK_SECONDS = 5.0
_AT_ONCE = 4


class Delivery:
    """A thread that looks into the outbox, and a few that deliver."""

    def __init__(
        self, ledger: Ledger, policy: Callable[[], Policy], metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        self._ledger, self._policy, self._metrics, self._clock = ledger, policy, metrics, clock
        self._log = structlog.get_logger("delivery")
        self._wake = threading.Event()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="delivery", daemon=True)
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="notify")

    def start(self) -> None:
        """Begin to deliver."""
        self._thread.start()

    def wake(self) -> None:
        """Look into the outbox now."""
        self._wake.set()

    def stop(self) -> None:
        """End; what is not delivered stays in the outbox."""
        self._stopping = True
        self._wake.set()
        self._thread.join()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _loop(self) -> None:
        while not self._stopping:
            try:
                with self._ledger.read() as connection:
                    waiting = outbox.due(connection, self._clock(), _AT_ONCE)
                list(self._pool.map(self._deliver, waiting))
                if len(waiting) == _AT_ONCE:
                    continue
            except Exception as error:  # noqa: BLE001 - it must not end; what is in the outbox stays there
                self._log.error("the outbox cannot be worked on", error=str(error))
            self._wake.wait(_LOOK_SECONDS)
            self._wake.clear()

    def _deliver(self, escalation: Escalation) -> None:
        try:
            self._hand_over(escalation)
        except DeliveryError as error:
            self._failed(escalation, error)
        except LedgerError:
            raise
        except Exception as error:  # noqa: BLE001 - a notifier's mistake is a failed delivery, not the end of all
            self._failed(escalation, PermanentError(f"the notifier failed with {type(error).__name__}"))
        else:
            self._ledger.write(lambda connection: outbox.delivered(connection, escalation.id))
            self._count(escalation, "delivered")

    def _hand_over(self, escalation: Escalation) -> None:
        policy = self._policy()
        notifier = policy.notifiers.get(escalation.notifier)
        if notifier is None:
            raise PermanentError(f"the notifier '{escalation.notifier}' is no longer configured")
        remediation = policy.named(escalation.remediation)
        labels = escalation.episode.labels
        notifier.deliver(
            Message(
                title=escalation.title,
                story=escalation.story,
                dedup_key=f"{escalation.episode.fingerprint}/{escalation.remediation}",
                severity=labels.get("severity", "warning"),
                labels=labels,
                runbook_url=remediation.runbook_url if remediation else None,
            ),
            _TIMEOUT_SECONDS,
        )

    def _failed(self, escalation: Escalation, error: DeliveryError) -> None:
        tries = escalation.tries + 1
        dead = isinstance(error, PermanentError) or tries >= _TRIES
        wait = min(_FIRST_WAIT_SECONDS * 2**escalation.tries, _LONGEST_WAIT_SECONDS)
        due = None if dead else self._clock() + wait
        self._ledger.write(lambda connection: outbox.failed(connection, escalation.id, tries, str(error), due))
        self._count(escalation, "dead" if dead else "failed")
        self._log.warning("an escalation was not delivered", notifier=escalation.notifier, reason=str(error), dead=dead)

    def _count(self, escalation: Escalation, result: str) -> None:
        self._metrics.escalations.labels(escalation.remediation, escalation.notifier, result).inc()
