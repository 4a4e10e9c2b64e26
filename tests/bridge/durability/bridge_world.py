"""A whole bridge without HTTP, threads or waiting: real ledger, rounds and runs; clock and answers are ours."""

import contextlib
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

from prometheus_client import CollectorRegistry
from sqlalchemy import Connection, select

from bridge.actions.backups.store import BackupStore
from bridge.actions.base import Action, StepContext, StepError
from bridge.decision import again
from bridge.decision.facts import Episode, Standing
from bridge.decision.intake import Intake, Receipt, no_look
from bridge.decision.payload import Notification, fingerprint, parse_notification
from bridge.decision.together import take_together
from bridge.ledger.runs import Run, unended
from bridge.ledger.schema import decisions
from bridge.ledger.store import Ledger, LedgerError
from bridge.metrics import Metrics
from bridge.peers.observer import NoObserver
from bridge.policy.remediation import Policy, Step
from bridge.run.dispatcher import Dispatcher
from bridge.run.runner import Runner
from bridge.steady import SteadyClock
from tests.bridge import world
from tests.bridge.durability.deferred import Deferred

START = 1_800_000_000.0


class Killed(BaseException):
    """The process is gone at this very moment."""


@dataclass(frozen=True)
class Touch:
    """A step that was really begun."""

    run: int
    remediation: str
    host: str
    target: str
    at: float


@dataclass
class Hand:
    """What the steps of a test do, and what they did."""

    touches: list[Touch] = field(default_factory=list)
    fails: bool = False
    once: bool = False
    """Only the next one fails."""
    now: float = START


def recording(hand: Hand) -> type[Action]:
    """Make an action that does nothing but note that it was run."""

    class Recorded(Action):
        """Note that it was run."""

        idempotent: ClassVar[bool] = False

        def plan(self, context: StepContext) -> str:
            return "note it"

        def run(self, context: StepContext) -> str:
            run = int(context.backups.name)
            remediation = context.labels["alertname"].lower()
            hand.touches.append(Touch(run, remediation, context.host, context.target, hand.now))
            if hand.fails:
                hand.fails = not hand.once
                raise StepError("it was told to fail")
            return "noted"

    return Recorded


class MortalLedger(Ledger):
    """A ledger whose process dies at a chosen write, before or after it is durable."""

    lives: int | None = None
    after = False
    full = False
    """Whether its disk is full."""

    def write(self, work: Any) -> Any:
        """Write, or die."""
        return self._perhaps(lambda: super(MortalLedger, self).write(work))

    def write_together(self, batch: Any, item: Any) -> Any:
        """Write together, or die."""
        return self._perhaps(lambda: super(MortalLedger, self).write_together(batch, item))

    def _perhaps(self, write: Any) -> Any:
        if self.full:
            raise LedgerError("the ledger could not be written: database or disk is full")
        if self.lives is not None:
            self.lives -= 1
            if self.lives < 0:
                if self.after:
                    write()
                raise Killed
        return write()


class World:
    """The bridge, and what it sees around it."""

    def __init__(self, folder: Path, configuration: str) -> None:
        self.folder, self.hand = folder, Hand()
        self.policy = self.with_recorded_steps(world.policy(configuration, folder / "ledger.db"))
        self.now = self.monotonic = START
        self.chance = 0.0
        """What is drawn for jitter."""
        self.boot = "1"
        """Which start of the machine it is."""
        self.active: set[str] = set()
        self.silenced: set[str] = set()
        self.answers = True
        self.prometheus_error = ""
        self.asks_nobody = False
        """Neither Prometheus nor Alertmanager is configured: what is new is decided at once."""
        self._tokens = itertools.count()
        self.begin()

    def begin(self) -> None:
        """Start a process: open the ledger and take up what was left."""
        self.ledger = MortalLedger(f"sqlite:///{self.folder / 'ledger.db'}")
        self.workers = Deferred()
        self.clock = SteadyClock(lambda: self.now, lambda: self.monotonic, lambda: self.boot)
        metrics = Metrics(CollectorRegistry())
        runner = Runner(
            self.ledger,
            NoObserver(),
            metrics,
            token=str(next(self._tokens)),
            backups=BackupStore(self.folder, now=self.clock),
            clock=self.clock,
            chance=lambda: self.chance,
        )
        self.dispatcher = Dispatcher(
            self.ledger,
            lambda: self.policy,
            self.ask,
            runner,
            metrics,
            workers=self.workers,
            clock=self.clock,
        )
        self.dispatcher.recover()

    def end(self) -> None:
        """The process is gone, and with it everything that was not in the ledger."""
        self.ledger.lives = None
        self.ledger.close()

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
        self.monotonic += seconds
        self.hand.now = self.now

    def ask(self, asked: Sequence[Episode]) -> Mapping[str, Standing]:
        """Answer as one Alertmanager does."""
        if self.asks_nobody:
            return {e.fingerprint: Standing() for e in asked}
        if self.prometheus_error:
            return {e.fingerprint: Standing(prometheus_error=self.prometheus_error) for e in asked}
        if not self.answers:
            return {e.fingerprint: Standing(asked=1, answered=0, trouble="no connection") for e in asked}
        return {
            e.fingerprint: Standing(
                asked=1,
                answered=1,
                listed=e.fingerprint in self.active,
                silenced_by=("s1",) if e.fingerprint in self.silenced & self.active else (),
            )
            for e in asked
        }

    def notify(self, *alerts: dict[str, Any]) -> Receipt:
        """Send a notification; once this returns it is acknowledged."""
        (receipt,) = self.notify_together(parse_notification(world.notification(*alerts)))
        return receipt

    def notify_together(self, *taken: Notification) -> list[Receipt]:
        """Send notifications that share one transaction."""

        def work(connection: Connection) -> list[Receipt]:
            now = self.clock()
            look = self.dispatcher.first_look(connection, self.policy, now, taken) if self.asks_nobody else no_look
            return take_together(lambda: Intake(connection, self.policy, now, look), taken)

        return self.ledger.write(work)

    def fire(self, labels: Mapping[str, str], starts_at: float) -> Receipt:
        """An alert fires, and Alertmanager knows it."""
        self.active.add(fingerprint(labels))
        return self.notify(world.alert(labels, starts_at=starts_at))

    def resolve(self, labels: Mapping[str, str], starts_at: float) -> Receipt:
        """An alert is over."""
        self.active.discard(fingerprint(labels))
        ends = world.when(self.now)
        return self.notify(world.alert(labels, status="resolved", starts_at=starts_at, endsAt=ends))

    def adopt(self, policy: Policy) -> Receipt:
        """Reload with another configuration."""
        self.policy = policy
        return self.ledger.write(lambda c: again.after_reload(c, policy, self.clock()))

    def round(self) -> None:
        """Decide once."""
        self.dispatcher.round()

    def work(self) -> None:
        """Do everything that was given to the workers."""
        while self.workers.waiting:
            self.workers.work_one()

    def settle(self, rounds: int = 10) -> None:
        """Decide and work until there is nothing more to be done now."""
        for _ in range(rounds):
            self.round()
            self.work()

    def under_way(self) -> Run:
        """Return the run that has not ended."""
        with self.ledger.read() as connection:
            (run,) = unended(connection)
        return run

    def rows(self, table: Any, *where: Any) -> list[Any]:
        """Read rows of a table."""
        with self.ledger.read() as connection:
            return list(connection.execute(select(table).where(*where).order_by(table.c.id)))

    def verdicts(self) -> dict[str, str]:
        """Return the current verdict of every remediation, by host."""
        return {row.host: row.decision for row in self.rows(decisions, decisions.c.current)}

    def write(self, work: Any) -> Any:
        """Change something as an operator does."""
        return self.ledger.write(work)

    def with_recorded_steps(self, policy: Policy) -> Policy:
        """Exchange the steps for those that note that they were run."""
        kind = recording(self.hand)
        changed = [
            replace(each, steps=tuple(Step("recorded", kind, {}) for _ in each.steps)) for each in policy.remediations
        ]
        return replace(policy, remediations=tuple(changed))


@contextlib.contextmanager
def opened(folder: Path, configuration: str) -> Iterator[World]:
    """Open a world and end it."""
    made = World(folder, configuration)
    try:
        yield made
    finally:
        made.end()
