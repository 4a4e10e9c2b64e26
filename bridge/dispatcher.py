"""Decides, in one thread: looks at whatever is due, asks how it stands, and starts what may run.

One thread and one transaction decide, so that no two runs can slip past the same limit together.
"""

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import structlog

from bridge.actions.base import Allow
from bridge.ledger import decisions, runs
from bridge.ledger.runs import Run
from bridge.ledger.store import Ledger
from bridge.metrics import Metrics
from bridge.policy import Policy, Remediation
from bridge.round import TWICE_SECONDS, Due, Round, Work
from bridge.runner import Runner
from bridge.standing import Ask

SWEEP_SECONDS = 30.0
"""How often every open episode is looked at: has it gone without a word, is it unresolved for too long?"""
_LONGEST_SLEEP_SECONDS = 5.0
_WORKERS = 256


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
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._ledger, self._policy, self._ask, self._runner = ledger, policy, ask, runner
        self._metrics, self._clock = metrics, clock
        self._log = structlog.get_logger("dispatcher")
        self._wake = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="dispatcher", daemon=True)
        self._pool = ThreadPoolExecutor(_WORKERS, thread_name_prefix="run")
        self._kept: dict[int, tuple[Remediation, Allow]] = {}
        """The policy with which a run under way started: a reload does not change it."""
        self._gone: dict[int, float] = {}
        self._swept = 0.0

    def start(self) -> None:
        """Begin to decide."""
        self._thread.start()

    def wake(self) -> None:
        """Look at what is due now."""
        self._wake.set()

    def stop(self, grace: float) -> None:
        """Start nothing more; runs under way get `grace` seconds to come to where they can be taken up again."""
        self._runner.stop.set()
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()
        waiting = threading.Thread(target=self._pool.shutdown, daemon=True)
        waiting.start()
        waiting.join(grace)

    def submit(self, run: Run, remediation: Remediation, work: Callable[[Remediation, Allow], None]) -> None:
        """Let a worker thread do something for a run, with the policy that the run started with."""
        kept = self._kept.setdefault(run.id, (remediation, self._policy().settings.allow))
        self._pool.submit(work, *kept).add_done_callback(lambda future: self._done(run, future))

    def _done(self, run: Run, future: Future[None]) -> None:
        error = future.exception()
        if error is not None:
            self._log.error("a run could not go on", run=run.id, error=f"{type(error).__name__}: {error}")
        with self._ledger.read() as connection:
            if runs.has_ended(connection, run.id):
                self._kept.pop(run.id, None)
        self._wake.set()

    def _loop(self) -> None:
        while not self._runner.stop.is_set():
            try:
                due = self._round()
            except Exception as error:  # noqa: BLE001 - deciding must go on; what is due stays due in the ledger
                self._log.error("deciding failed", error=f"{type(error).__name__}: {error}")
                due = self._clock() + 1
            self._wake.wait(min(max(0.0, due - self._clock()), _LONGEST_SLEEP_SECONDS))
            self._wake.clear()

    def _round(self) -> float:
        """Look at everything that is due, and return when the next is."""
        now = self._clock()
        sweep = not 0 <= now - self._swept < SWEEP_SECONDS
        with self._ledger.read() as connection:
            due = Due.read(connection, now, sweep=sweep)
        if about := due.episodes():
            standings, policy = self._ask(about), self._policy()
            now = self._clock()
            done = self._ledger.write(lambda c: Round(c, policy, standings, self._gone, now).look(due))
            self._carry_out(done, policy)
            if sweep:
                self._gone = done.found_gone
        self._swept = now if sweep else self._swept
        with self._ledger.read() as connection:
            times = [decisions.next_due(connection), runs.next_due(connection)]
        times.append(now + TWICE_SECONDS / 3 if due.returning else None)
        return min((moment for moment in times if moment is not None), default=now + SWEEP_SECONDS)

    def _carry_out(self, done: Round, policy: Policy) -> None:
        self._metrics.count(done.decided, done.ended)
        for work, run in done.jobs:
            remediation = policy.named(run.remediation)
            if remediation is not None:
                self.submit(run, remediation, self._work(work, run))

    def _work(self, work: Work, run: Run) -> Callable[[Remediation, Allow], None]:
        runner = self._runner
        match work:
            case Work.ATTEMPT:
                return lambda remediation, allow: runner.attempt(run, remediation, allow)
            case Work.DRY_RUN:
                return lambda remediation, allow: runner.dry_run(run, remediation, allow)
            case Work.SETTLE:
                return lambda remediation, _allow: runner.settle(run, remediation)
