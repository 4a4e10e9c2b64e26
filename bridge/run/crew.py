"""The threads that work on runs, each run with the policy with which it started."""

import queue
import time
from collections.abc import Callable

from bridge.actions.base import Allow
from bridge.hands import Task, Workers
from bridge.ledger import runs
from bridge.ledger.promise import DURABLE, Go
from bridge.ledger.runs import Run
from bridge.ledger.store import Ledger, LedgerError
from bridge.policy.remediation import Policy, Remediation
from bridge.run.recovery import Recovery
from bridge.run.runner import Runner, UnwrittenError, Work
from bridge.telling import about
from remedy.config.logger import structlog

_GIVE_UP_SECONDS = 7.0
"""So long may steps take that have been told to give up."""


class _NoThreadError(Exception):
    """There is no thread to do something for a run: none of it has begun."""

    def __init__(self, error: RuntimeError, remediation: Remediation, work: Work) -> None:
        super().__init__(str(error))
        self.remediation, self.work = remediation, work


class Crew:
    """Works on runs side by side, and takes up those whose worker failed."""

    def __init__(
        self,
        ledger: Ledger,
        policy: Callable[[], Policy],
        runner: Runner,
        *,
        workers: Workers,
        clock: Callable[[], float],
        wake: Callable[[], None],
    ) -> None:
        self._ledger, self._policy, self._runner, self._wake = ledger, policy, runner, wake
        self.recovery = Recovery(ledger, runner, self.submit, clock)
        self._log = structlog.get_logger("crew")
        self._workers = workers
        self._under_way: set[Task[None]] = set()
        """What is being done."""
        self._kept: dict[int, tuple[Remediation, Allow]] = {}
        """The policy with which a run under way started: a reload does not change it."""
        self._over: set[int] = set()
        """Which of these had ended, or had not begun, at the last look."""
        self._stranded: queue.SimpleQueue[tuple[int, BaseException, Go]] = queue.SimpleQueue()

    def begin(self, run: Run, remediation: Remediation, work: Work, go: Go) -> None:
        """Let a thread do what was decided for a run, which is durable when `go` lets it begin."""
        if run.attempts <= 1:
            self._kept.pop(run.id, None)  # of another run that had this number, and was undone
        self.submit(run, remediation, work, go)

    def submit(self, run: Run, remediation: Remediation, work: Work, go: Go = DURABLE) -> None:
        """Let a thread do something for a run, with the policy that the run started with."""
        kept = self._kept.setdefault(run.id, (remediation, self._policy().settings.allow))

        def do(remediation: Remediation, allow: Allow) -> None:
            failed: BaseException | None = None
            with about(run.episode, run.remediation, run.id):
                try:
                    work(remediation, allow)
                except BaseException as error:  # noqa: BLE001 - whatever it was, the run must be taken up again
                    failed = error
                finally:
                    self._under_way.discard(task)
                self._done(run, failed, go)
            if failed is not None and not isinstance(failed, Exception):
                raise failed  # it is no mistake of the run alone

        task = Task(do, *kept)
        self._under_way.add(task)
        try:
            self._workers.start(task)
        except RuntimeError as error:  # no thread can be started
            self._under_way.discard(task)
            self._log.warning("a run waits for a thread", run=run.id, reason=str(error))
            self._stranded.put((run.id, _NoThreadError(error, remediation, work), go))

    def kept(self, run_id: int) -> Remediation | None:
        """Return the remediation with which a run under way started; None: not in this process."""
        kept = self._kept.get(run_id)
        return None if kept is None else kept[0]

    def take_up_stranded(self) -> None:
        """Go on with runs whose worker failed: where the ledger could not be written, from where its journal ends.

        Raises:
            LedgerError: it still cannot be written.
        """
        for _ in range(self._stranded.qsize()):
            run_id, error, go = self._stranded.get()
            if not go.wait():
                continue
            try:
                self._take_up(run_id, error)
            except LedgerError:
                self._stranded.put((run_id, error, go))
                raise
            except Exception as mistake:  # noqa: BLE001 - one run must not keep the others waiting
                self._log.exception("a run could not be taken up", run=run_id)
                if isinstance(error, LedgerError):
                    self._stranded.put((run_id, mistake, go))  # next time it is given up

    def forget_ended(self) -> None:
        """Drop the policies of runs that have ended; one that is not in the ledger may not be there yet."""
        with self._ledger.read() as connection:
            left = {run.id for run in runs.unended(connection)}
        over = {run_id for run_id in list(self._kept) if run_id not in left}
        for run_id in over & self._over:
            self._kept.pop(run_id, None)
        self._over = over

    def stop(self, grace: float) -> None:
        """Begin nothing more, let steps go on for `grace` seconds, then have them give up and say so in the journal."""
        self._runner.closing.set()
        self._wait(grace)
        self._runner.stop.set()
        self._wait(_GIVE_UP_SECONDS)
        if left := self._runner.cut_off():
            self._log.warning("steps were left behind", steps=left)

    def _wait(self, seconds: float) -> None:
        """Wait until all that is under way has been done, for so long at most."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0 and (tasks := list(self._under_way)):
            tasks[0].wait(left)

    def _take_up(self, run_id: int, error: BaseException) -> None:
        with self._ledger.read() as connection:
            run = runs.get(connection, run_id)
        if run is None:
            return
        policy = self._policy()
        remediation = self._kept[run_id][0] if run_id in self._kept else policy.named(run.remediation)
        if isinstance(error, _NoThreadError):
            self.submit(run, error.remediation, error.work)
        elif isinstance(error, UnwrittenError):
            self._runner.write(error.turn)
            self.submit(run, error.turn.remediation, error.go_on)
        elif isinstance(error, LedgerError) or remediation is None:
            self.recovery.take_up(run, policy)
        else:
            self._runner.give_up(run, remediation, f"the bridge made a mistake: {type(error).__name__}: {error}")

    def _done(self, run: Run, failed: BaseException | None, go: Go) -> None:
        if self._runner.closing.is_set():
            return
        if failed is not None:
            self._log.error("a run could not go on", error=f"{type(failed).__name__}: {failed}")
            self._stranded.put((run.id, failed, go))
        self._wake()
