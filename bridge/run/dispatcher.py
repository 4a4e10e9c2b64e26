"""Decides, in one thread: looks at whatever is due, asks how it stands, and starts what may run.

One thread and one transaction decide, so that no two runs can slip past the same limit together.
"""

import threading
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bridge.actions.base import Allow
from bridge.decision import again, mistakes
from bridge.decision.at_once import AtOnce
from bridge.decision.due import Due
from bridge.decision.facts import Pause
from bridge.decision.gates import Verdict
from bridge.decision.intake import FirstLook, no_look
from bridge.decision.jobs import Job, Work
from bridge.decision.pause_file import PauseFile
from bridge.decision.payload import Notification
from bridge.decision.returning import Returning
from bridge.decision.round import TWICE_SECONDS, Round
from bridge.decision.sweep import SWEEP_SECONDS, Sweep
from bridge.hands import Workers
from bridge.housekeeping import Housekeeping
from bridge.ledger import decisions
from bridge.ledger.promise import DURABLE, Go
from bridge.ledger.store import Ledger, LedgerError
from bridge.ledger.upcoming import Upcoming
from bridge.metrics import Metrics
from bridge.peers.standing import Ask
from bridge.policy.remediation import Policy, Remediation
from bridge.run.crew import Crew
from bridge.run.runner import Runner
from bridge.steady import SteadyClock
from bridge.telling import tell
from remedy.config.logger import structlog

_LONGEST_SLEEP_SECONDS = 5.0
_LONGEST_REST_SECONDS = 0.05
_HEAD_START_SECONDS = 0.5
"""With a thousand that wait, and nobody slow to ask, a first round takes a fifth of it at most."""
_MANY, _RESTS = 4, 3
"""A round that looks at more than so many and begins nothing rests so many times as long as it took, within that: in a
storm a few large ones leave more to the intake than many."""
_MAY_HAVE_ENDED = (Verdict.PAUSED, Verdict.TARGET_BUSY, Verdict.LIMITED)
"""Reasons that may have ended while no bridge was there to see it."""


class Dispatcher:
    """The only one who starts runs."""

    def __init__(
        self,
        ledger: Ledger,
        policy: Callable[[], Policy],
        ask: Ask,
        runner: Runner,
        metrics: Metrics,
        *,
        workers: Workers,
        clock: SteadyClock,
    ) -> None:
        """Take what is needed; `workers` do what is to be done for the runs."""
        self._ledger, self._policy, self._ask, self._runner = ledger, policy, ask, runner
        self._metrics, self._clock = metrics, clock
        self._log = structlog.get_logger("dispatcher")
        self._wake, self._looked = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self._crew = Crew(ledger, policy, runner, workers=workers, clock=clock, wake=self.wake)
        self._housekeeping = Housekeeping(ledger, clock)
        self.pause_file = PauseFile(ledger.path)
        self._pause: Pause | None = None
        self._sweep = Sweep(ledger, ask)
        self._swept = 0.0
        self._only_held = 0
        """How many the last round looked at and began nothing for."""

    def recover(self) -> int:
        """Take up what the last process left; return how many runs. Called once, before `start`."""
        policy = self._policy()
        self._housekeeping.begin(policy.memory)
        now = self._clock()
        self._ledger.write(lambda connection: decisions.wake(connection, _MAY_HAVE_ENDED, now))
        receipt = self._ledger.write(lambda connection: again.after_start(connection, policy, now))
        self._metrics.count(receipt.decided, receipt.ended)
        tell(self._log, receipt.news)
        return self._crew.recovery.recover(policy)

    def start(self) -> None:
        """Begin to decide; what is due already has a head start over what the caller does next.

        Threads of Python take turns, and those that ask a database often wait for their turn the longest.
        """
        self._thread.start()
        self._looked.wait(_HEAD_START_SECONDS)

    def wake(self) -> None:
        """Look at what is due now."""
        self._wake.set()

    def first_look(
        self, connection: Connection, policy: Policy, now: float, together: Sequence[Notification]
    ) -> FirstLook:
        """Return who decides on a little that has just come, within the transaction that records it; see `at_once`.

        What that leads to is made ready at once, and begins when it is durable. Where a resolution comes `together`
        with it, in a notification of its own, it may be over by the end of the transaction: then a round decides.
        """
        ends = len(together) > 1 and any(alert.status == "resolved" for each in together for alert in each.alerts)
        if ends or self.pause_file.read() is not None or self._runner.closing.is_set():
            return no_look
        return AtOnce(connection, policy, now, self._runner.token, self._follow).look

    def round(self) -> float:
        """Look at everything that is due, and return when the next is."""
        self._ledger.mend()
        if self._housekeeping.look_at_clock(self._policy().memory):
            self._sweep.forget()
            self._swept = 0.0
        now = self._clock()
        self._look_for_pause_file(now)
        with self._ledger.read() as connection:
            due = Due.read(connection, now)
        self._only_held = 0
        if due.count:
            self._decide(due)
        if not 0 <= now - self._swept < SWEEP_SECONDS:
            swept = self._sweep.look(self._policy(), now)
            self._metrics.count(swept.decided, swept.ended)
            self._housekeeping.forget(self._policy().settings.keep.total_seconds())
            self._crew.forget_ended()
            self._runner.backups.forget(self._housekeeping.put_forward())
            self._swept = now
        self._crew.take_up_stranded()
        with self._ledger.read() as connection:
            upcoming = Upcoming.read(connection)
        times = [upcoming.held, upcoming.waiting, now + TWICE_SECONDS / 3 if upcoming.returning else None]
        return min((moment for moment in times if moment is not None), default=now + SWEEP_SECONDS)

    def stop(self, grace: float) -> None:
        """Start nothing more; steps under way get `grace` seconds before they must give up."""
        self._runner.closing.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        self._crew.stop(grace)

    def _loop(self) -> None:
        while not self._runner.closing.is_set():
            began = self._clock.monotonic()
            try:
                due = self.round()
            except Exception as error:  # noqa: BLE001 - deciding must go on; what is due stays due in the ledger
                self._log.error("deciding failed", error=f"{type(error).__name__}: {error}")
                due = self._clock() + 1
            self._looked.set()
            took = self._clock.monotonic() - began
            if self._only_held > _MANY:
                self._runner.closing.wait(min(_RESTS * took, _LONGEST_REST_SECONDS))
            self._wake.wait(min(max(0.0, due - self._clock()), _LONGEST_SLEEP_SECONDS))
            self._wake.clear()

    def _decide(self, due: Due) -> None:
        """Decide on all of it at once; where a mistake of ours keeps that from being done, find what it is about."""
        try:
            self._decide_at_once(due)
        except (LedgerError, OperationalError):
            raise  # not about what is due: it stays due
        except Exception as error:  # noqa: BLE001 - whatever it was, it must not keep the others waiting
            if due.count > 1:
                for half in due.halves():
                    self._decide(half)
                return
            self._log.exception("a mistake of the bridge", episodes=[each.fingerprint for each in due.episodes()])
            held = partial(mistakes.hold, due=due, error=error, now=self._clock())
            self._metrics.count(Counter(self._ledger.write(held)), {})

    def _decide_at_once(self, due: Due) -> None:
        asked = [episode for episode in due.episodes() if not episode.by_hand]
        standings = self._ask(asked) if asked else {}
        policy, now, pause = self._policy(), self._clock(), self._pause

        def work(connection: Connection) -> tuple[Returning, Round]:
            returning = Returning(connection, policy, standings, now).look(due.returning)
            token, kept = self._runner.token, self._crew.kept
            return returning, Round(connection, policy, standings, now, token, pause, kept).look(due)

        returned, done = self._ledger.write(work)
        self._metrics.count(returned.intake.receipt.decided, returned.intake.receipt.ended)
        self._metrics.count(done.decided, done.ended)
        tell(self._log, [*returned.intake.receipt.news, *done.intake.receipt.news])
        self._only_held = 0 if done.jobs else due.count
        for job in done.jobs:
            self._begin(job, DURABLE)

    def _look_for_pause_file(self, now: float) -> None:
        """Once the file has gone, what it held is looked at."""
        before, self._pause = self._pause, self.pause_file.read()
        if before is not None and self._pause is None:
            self._ledger.write(lambda connection: decisions.wake(connection, [Verdict.PAUSED], now))

    def _follow(self, job: Job) -> None:
        self._ledger.follow(partial(self._begin, job))

    def _begin(self, job: Job, go: Go) -> None:
        """Let the crew do what was decided."""
        self._crew.begin(job.run, job.remediation, self._work(job, go), go)

    def _work(self, job: Job, go: Go) -> Callable[[Remediation, Allow], None]:
        runner, run = self._runner, job.run
        match job.work:
            case Work.ATTEMPT:
                return lambda remediation, allow: runner.attempt(run, remediation, allow, go)
            case Work.DRY_RUN:
                return lambda remediation, allow: runner.dry_run(run, remediation, allow, go)
            case Work.SETTLE:
                return lambda remediation, _allow: runner.settle(run, remediation)
