"""Takes up runs that a process left in the middle. Nothing is lost, and nothing runs twice because of a crash."""

from collections.abc import Callable

import structlog

from bridge.actions.base import Allow, StepOutcome
from bridge.ledger import journal, runs
from bridge.ledger.journal import StepBegin, StepEnd
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.ledger.schema import AnyRow
from bridge.ledger.store import Ledger
from bridge.policy.remediation import Policy, Remediation
from bridge.run.runner import Runner

Submit = Callable[[Run, Remediation, Callable[[Remediation, Allow], None]], None]
"""Lets a worker do something for a run."""
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
            self.take_up(run, policy)
        return len(left)

    def take_up(self, run: Run, policy: Policy) -> None:
        """Go on with one run. What had not begun passes the gates again: much may have changed meanwhile."""
        remediation = policy.named(run.remediation)
        self._log.info("taking up a run", run=run.id, state=run.state)
        if remediation is None:
            reason = f"{run.remediation} is no longer configured"
            self._ledger.write(lambda c: runs.end(c, run.id, Outcome.CANCELLED, reason, self._clock()))
        elif run.state is RunState.QUEUED:
            self._ledger.write(lambda connection: runs.put_back(connection, run, run.attempts, self._clock()))
        else:
            self._go_on(run, remediation)

    def _go_on(self, run: Run, remediation: Remediation) -> None:
        with self._ledger.read() as connection:
            steps = journal.of_attempt(connection, run.id, run.attempts)
        cut_off = [row for row in steps if row.ended_at is None or row.outcome == StepOutcome.INTERRUPTED]
        failed = [row for row in steps if row.outcome not in (None, StepOutcome.SUCCEEDED)]
        if cut_off:
            self._cut_off(run, remediation, cut_off[0])
        elif failed:
            reason = f"the step {failed[0].action} {failed[0].outcome}: {failed[0].reason}"
            self._runner.not_fixed(run, remediation, reason)
        elif run.state is RunState.VERIFYING or len(steps) >= len(remediation.steps):
            self._ledger.write(lambda connection: runs.verify(connection, [run.id]))
            since = max((row.ended_at for row in steps), default=self._clock())
            self._submit(run, remediation, lambda r, _allow: self._runner.verify(run, r, since))
        else:
            first = len(steps)
            self._submit(run, remediation, lambda r, allow: self._runner.go_on(run, r, allow, first))

    def _cut_off(self, run: Run, remediation: Remediation, row: AnyRow) -> None:
        """A step had started and not ended: only one that is idempotent may run again by itself."""
        reason = f"the step {row.action} was interrupted: the bridge ended while it ran"
        if row.ended_at is None:
            begin = StepBegin(run.id, row.attempt, row.position, row.action, row.token, row.started_at)
            ended = (begin, StepEnd(StepOutcome.INTERRUPTED, reason), self._clock())
            self._ledger.write(lambda connection: journal.end_steps(connection, [ended]))
        step = remediation.steps[row.position] if row.position < len(remediation.steps) else None
        again = step is not None and step.action == row.action and step.kind.idempotent
        self._runner.interrupted(run, remediation, reason, again=again)
