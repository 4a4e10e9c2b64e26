"""At start: takes up what the last process left. Nothing is lost, and nothing runs twice because of a crash."""

import structlog

from bridge.actions.base import StepOutcome
from bridge.dispatcher import Dispatcher
from bridge.ledger import runs
from bridge.ledger.runs import Outcome, Run, RunState, StepEnd
from bridge.ledger.schema import AnyRow
from bridge.ledger.store import Ledger
from bridge.policy import Policy, Remediation
from bridge.runner import Runner


class Recovery:
    """Looks at each run that has not ended, once, before anything new is decided."""

    def __init__(self, ledger: Ledger, runner: Runner, dispatcher: Dispatcher, now: float) -> None:
        self._ledger, self._runner, self._dispatcher, self._now = ledger, runner, dispatcher, now
        self._log = structlog.get_logger("recovery")

    def recover(self, policy: Policy) -> int:
        """Take up every run that was under way; return how many. Waiting ones keep their due time."""
        with self._ledger.read() as connection:
            left = [run for run in runs.unended(connection) if run.state not in _PATIENT]
        for run in left:
            remediation = policy.named(run.remediation)
            if remediation is None:
                self._cancel(run)
            else:
                self._take_up(run, remediation)
        return len(left)

    def _cancel(self, run: Run) -> None:
        reason = f"{run.remediation} is no longer configured"
        self._ledger.write(lambda connection: runs.end(connection, run.id, Outcome.CANCELLED, reason, self._now))

    def _take_up(self, run: Run, remediation: Remediation) -> None:
        with self._ledger.read() as connection:
            journal = runs.steps_of(connection, run.id, run.attempts) if run.attempts else []
        self._log.info("taking up a run", run=run.id, state=run.state, steps=len(journal))
        if run.state is RunState.QUEUED:
            self._dispatcher.submit(run, remediation, lambda r, allow: self._runner.attempt(run, r, allow))
            return
        cut_off = [row for row in journal if row.ended_at is None or row.outcome == StepOutcome.INTERRUPTED]
        failed = [row for row in journal if row.outcome not in (None, StepOutcome.SUCCEEDED)]
        if cut_off:
            self._cut_off(run, remediation, cut_off[0])
        elif failed:
            reason = f"the step {failed[0].action} {failed[0].outcome}: {failed[0].reason}"
            self._runner.not_fixed(run, remediation, run.attempts, reason)
        elif run.state is RunState.VERIFYING or len(journal) >= len(remediation.steps):
            since = max((row.ended_at for row in journal), default=self._now)
            number = run.attempts
            self._dispatcher.submit(run, remediation, lambda r, _allow: self._runner.verify(run, r, number, since))
        else:
            first, number = len(journal), run.attempts
            self._dispatcher.submit(run, remediation, lambda r, a: self._runner.go_on(run, r, a, number, first))

    def _cut_off(self, run: Run, remediation: Remediation, row: AnyRow) -> None:
        """A step had started and not ended: only one that is idempotent may run again by itself."""
        reason = f"the step {row.action} was interrupted: the bridge ended while it ran"
        if row.ended_at is None:
            end = StepEnd(StepOutcome.INTERRUPTED, reason)
            self._ledger.write(lambda connection: runs.end_step(connection, row.id, end, self._now))
        step = remediation.steps[row.position] if row.position < len(remediation.steps) else None
        again = step is not None and step.action == row.action and step.kind.idempotent
        self._runner.interrupted(run, remediation, reason, again=again)


_PATIENT = (RunState.WAITING, RunState.AWAITING_APPROVAL)
