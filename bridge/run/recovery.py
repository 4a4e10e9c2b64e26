"""Takes up runs that a process left in the middle. Nothing is lost, and nothing runs twice because of a crash."""

from collections.abc import Callable, Sequence
from functools import partial

from bridge.actions.base import Allow, StepOutcome
from bridge.ledger import journal, runs
from bridge.ledger.journal import StepBegin, StepEnd
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.ledger.schema import AnyRow
from bridge.ledger.store import Ledger, LedgerError
from bridge.policy.built_in import unconfigured
from bridge.policy.remediation import Policy, Remediation
from bridge.run.runner import Runner
from bridge.run.survivors import Survivor
from bridge.run.turns import Over, Turn
from bridge.telling import about
from remedy.config.logger import structlog

Submit = Callable[[Run, Remediation, Callable[[Remediation, Allow], None]], None]
"""Lets a worker do something for a run."""
_TRY_AGAIN_SECONDS = 5.0
_PATIENT = (RunState.WAITING, RunState.AWAITING_APPROVAL)


class Recovery:
    """Looks at a run that nobody works on, and goes on from where its journal ends."""

    def __init__(self, ledger: Ledger, runner: Runner, submit: Submit, clock: Callable[[], float]) -> None:
        self._ledger, self._runner, self._submit, self._clock = ledger, runner, submit, clock
        self._log = structlog.get_logger("recovery")

    def recover(self, policy: Policy) -> int:
        """Take up every run that was under way; return how many. Waiting ones keep their due time."""
        with self._ledger.read() as connection:
            left = [run for run in runs.unended(connection) if run.state not in _PATIENT]
        for run in left:
            try:
                self.take_up(run, policy)
            except LedgerError:
                raise
            except Exception as error:  # noqa: BLE001 - one run must not keep the bridge from starting
                with about(run.episode, run.remediation, run.id):
                    self._log.exception("a run could not be taken up")
                    self._give_up(run, policy, error)
        return len(left)

    def take_up(self, run: Run, policy: Policy) -> None:
        """Go on with one run. What had not begun passes the gates again: much may have changed meanwhile."""
        remediation = policy.named(run.remediation)
        with about(run.episode, run.remediation, run.id):
            self._log.info("taking up a run", state=run.state)
        if remediation is None:
            self._gone(run, unconfigured(run.remediation, policy.settings))
        elif run.state is RunState.QUEUED:
            self._ledger.write(lambda connection: runs.put_back(connection, run, run.attempts, self._clock()))
        else:
            self._go_on(run, remediation)

    def _give_up(self, run: Run, policy: Policy, error: Exception) -> None:
        """End a run and tell people; where the mistake keeps that from being done too, end it all the same."""
        reason = f"the bridge made a mistake when it took it up: {type(error).__name__}: {error}"
        remediation = policy.named(run.remediation) or unconfigured(run.remediation, policy.settings)
        try:
            self._runner.give_up(run, remediation, reason)
        except LedgerError:
            raise
        except Exception:  # noqa: BLE001 - as above
            self._log.exception("people could not be told of it")
            now = self._clock()
            self._ledger.write(lambda connection: runs.end(connection, run.id, Outcome.FAILED, reason, now))

    def _gone(self, run: Run, stand_in: Remediation) -> None:
        """Nothing more is done for it; but what it left running is ended, and was interrupted, as with any other."""
        if cut_off := _cut_off(self._steps(run)):
            self._cut_off(run, stand_in, cut_off[0])
        else:
            over = Over(Outcome.CANCELLED, f"{run.remediation} is no longer configured")
            self._runner.write(Turn(run, stand_in, over=over))

    def _steps(self, run: Run) -> list[AnyRow]:
        with self._ledger.read() as connection:
            return journal.of_attempt(connection, run.id, run.attempts)

    def _go_on(self, run: Run, remediation: Remediation) -> None:
        steps = self._steps(run)
        cut_off = _cut_off(steps)
        failed = [row for row in steps if row.outcome not in (None, StepOutcome.SUCCEEDED)]
        failure = f"the step {failed[0].action} {failed[0].outcome}: {failed[0].reason}" if failed else ""
        if cut_off:
            self._cut_off(run, remediation, cut_off[0])
        elif failed and (remediation.stop_on_failure or len(steps) >= len(remediation.steps)):
            self._runner.not_fixed(run, remediation, failure)
        elif run.state is RunState.VERIFYING or len(steps) >= len(remediation.steps):
            self._ledger.write(lambda connection: runs.verify(connection, [run.id]))
            since = max((row.ended_at for row in steps), default=self._clock())
            self._submit(run, remediation, lambda r, _allow: self._runner.verify(run, r, since))
        elif [row.action for row in steps] != [step.action for step in remediation.steps[: len(steps)]]:
            reason = "its steps are others now than when it began, so nobody can tell which are still to be done"
            self._runner.interrupted(run, remediation, reason, again=False)
        else:
            first = len(steps)
            self._submit(run, remediation, lambda r, allow: self._runner.go_on(run, r, allow, first, failure))

    def _cut_off(self, run: Run, remediation: Remediation, row: AnyRow) -> None:
        """A step had started and not ended: only one that is idempotent may run again by itself.

        Its host stays busy until the program that it has started is gone.
        """
        survivor = Survivor(row.pid, row.born) if row.pid is not None else None
        if survivor is None or not survivor.runs():
            self._interrupted(run, remediation, row, "")
        else:
            self._submit(run, remediation, lambda r, _allow: self._outlive(run, r, row, survivor))

    def _outlive(self, run: Run, remediation: Remediation, row: AnyRow, survivor: Survivor) -> None:
        """End what has survived, however long that takes."""
        self._log.warning("a step outlived its bridge", run=run.id, action=row.action, pid=survivor.pid)
        while (why := survivor.end()) is not None:
            reason = f"process {survivor.pid} of its interrupted step {row.action} still runs: {why}"
            self._ledger.write(partial(runs.change, run_id=run.id, reason=reason))
            if self._runner.closing.wait(_TRY_AGAIN_SECONDS):
                return
        self._interrupted(run, remediation, row, f"; its process {survivor.pid} still ran, and was ended")

    def _interrupted(self, run: Run, remediation: Remediation, row: AnyRow, more: str) -> None:
        reason = f"the step {row.action} was interrupted: the bridge ended while it ran{more}"
        if row.ended_at is None:
            begin = StepBegin(run.id, row.attempt, row.position, row.action, row.token, row.started_at)
            ended = (begin, StepEnd(StepOutcome.INTERRUPTED, reason), self._clock())
            self._ledger.write(lambda connection: journal.end_steps(connection, [ended]))
        step = remediation.steps[row.position] if row.position < len(remediation.steps) else None
        again = step is not None and step.action == row.action and step.kind.idempotent
        self._runner.interrupted(run, remediation, reason, again=again)


def _cut_off(steps: Sequence[AnyRow]) -> list[AnyRow]:
    """Return those that were under way when their bridge ended."""
    return [row for row in steps if row.ended_at is None or row.outcome == StepOutcome.INTERRUPTED]
