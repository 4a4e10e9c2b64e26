"""A bridge for one test: its own intake, gates, rounds and runs, over a temporary ledger and a clock that is ours."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from prometheus_client import CollectorRegistry

from bridge.actions.backups.store import BackupStore
from bridge.actions.base import Allow
from bridge.decision.intake import Intake
from bridge.decision.payload import Notification
from bridge.ledger.store import Ledger
from bridge.metrics import Metrics
from bridge.peers.observer import NoObserver
from bridge.policy.remediation import Policy, Remediation
from bridge.run.dispatcher import Dispatcher
from bridge.steady import SteadyClock
from remedy.rehearsal.hands import Fate, FatedRunner, harmless
from remedy.rehearsal.keys import Rehearsal
from remedy.rehearsal.past import remember
from remedy.rehearsal.pool import Pool
from remedy.rehearsal.surroundings import Surroundings

_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_TOKEN = "test"  # noqa: S105 - it names the process in the journal
_MOST_ROUNDS = 10_000
"""At one moment; a bridge that wants more than that will never come to rest."""
_INSTANT = 0.001
"""The clock goes on by at least this, in seconds."""


class RestlessError(Exception):
    """Something is due again and again at one moment."""


class Stage:
    """The bridge of one test. Times are unix seconds."""

    def __init__(self, folder: Path, policy: Policy, test: Rehearsal) -> None:
        """Take the real policy; nothing of what it does is done."""
        self.start = self.now = test.now.timestamp()
        self.fate = Fate(dict(test.attempts))
        self.policy = harmless(policy, self.fate)
        self.world = Surroundings(policy.settings)
        self._takes = {name: taken.total_seconds() for name, taken in test.takes.items()}
        self.ledger = Ledger(f"sqlite:///{folder / 'ledger.db'}")
        self.ledger.write(lambda connection: remember(connection, policy, test.history, self.start))
        self._pool = Pool(self._end_of)
        clock = SteadyClock(lambda: self.now, lambda: self.now, lambda: "")
        metrics = Metrics(CollectorRegistry())
        backups = BackupStore(folder / "backups", now=clock)
        runner = FatedRunner(
            self.ledger, NoObserver(), metrics, token=_TOKEN, backups=backups, clock=clock, chance=lambda: 0.0
        )
        runner.fate = self.fate
        self._dispatcher = Dispatcher(
            self.ledger, lambda: self.policy, self.world.ask, runner, metrics, workers=self._pool, clock=clock
        )
        self._due = self.start

    def notify(self, notification: Notification) -> None:
        """Let a notification come in."""
        self.world.take(notification.alerts)
        self.ledger.write(lambda connection: Intake(connection, self.policy, self.now).take(notification))

    def pass_until(self, moment: float) -> None:
        """Let time pass; the bridge does what is due on the way, but nothing at the moment itself."""
        while True:
            following = min(self._due, self._pool.next or self._due)
            if following >= moment:
                break
            self.now = max(following, self.now + _INSTANT)
            self.settle()
        self.now = max(moment, self.now)

    def settle(self) -> None:
        """Do what is due now, until there is nothing more.

        Raises:
            RestlessError: it does not end.
        """
        for _ in range(_MOST_ROUNDS):
            self._due = self._dispatcher.round()
            worked = False
            while self._pool.do(self.now):
                worked = True
            if not worked and self._due > self.now:
                return
        raise RestlessError("the bridge does not come to rest")

    def _end_of(self, remediation: Remediation, _allow: Allow) -> float:
        return self.now + self._takes.get(remediation.name, 0.0)


@contextlib.contextmanager
def staged(policy: Policy, test: Rehearsal) -> Iterator[Stage]:
    """Make a stage, and leave nothing behind."""
    where = str(_IN_MEMORY) if os.access(_IN_MEMORY, os.W_OK) else None
    with tempfile.TemporaryDirectory(prefix="remedy-test-", dir=where) as folder:
        stage = Stage(Path(folder), policy, test)
        try:
            yield stage
        finally:
            stage.ledger.close()
