"""One step: filled from labels, checked against what is allowed, run under its own timeout, its output kept."""

import functools
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from bridge.actions.backups.store import BackupStore
from bridge.actions.base import (
    Action,
    Allow,
    Output,
    StepContext,
    StepError,
    StepOutcome,
    StepRefusedError,
    StepTimeoutError,
)
from bridge.actions.host.shown import shown
from bridge.ledger.journal import StepEnd
from bridge.ledger.runs import Run
from bridge.policy.remediation import Remediation, Step
from bridge.run.hands import Hands, Task
from bridge.run.redaction import redact

_GRACE_SECONDS = 5.0
"""How much longer than its timeout a step may take to give up."""
_LOOK_AT_STOP_SECONDS = 0.5


@dataclass(frozen=True)
class Workshop:
    """What every step of a run shares."""

    run: Run
    remediation: Remediation
    allow: Allow
    backups: BackupStore
    stop: threading.Event
    hands: Hands = field(default_factory=Hands)
    tell: Callable[[Sequence[str], str], int] = lambda _notifiers, _message: 0
    ours: tuple[str, ...] = ()
    """See `StepContext`."""

    def plan(self, step: Step) -> str:
        """Say in words what a step would do."""
        try:
            action = self._prepare(step)
            return _sentence(action.plan(self._context(action)))
        except StepError as error:
            return _sentence(f"{step.action}: it would fail: {error}")
        except Exception as error:  # noqa: BLE001 - as when it is run
            return _sentence(f"{step.action}: it would fail: {type(error).__name__}: {error}")

    def run_step(self, step: Step, started: Callable[[int], None]) -> StepEnd:
        """Run one step and say how it ended; it raises nothing. `started` is told of each program that it starts."""
        try:
            action = self._prepare(step)
        except StepError as error:
            return StepEnd(error.outcome, _sentence(str(error)))
        except Exception as error:  # noqa: BLE001 - an action's mistake is a failed step, with what it said
            return StepEnd(StepOutcome.FAILED, _sentence(f"{type(error).__name__}: {error}"))
        context = replace(self._context(action), started=started)
        task = self.hands.start(functools.partial(self._work, action, step.action, context))
        self._wait(task, context)
        if task.results:
            return task.results[0]
        if self.stop.is_set():
            reason = f"{step.action} did not give up when the bridge ended; it is left behind"
            return StepEnd(StepOutcome.INTERRUPTED, reason, output=redact(context.output.text()))
        reason = f"{step.action} did not give up when its time was up; it is left behind"
        return StepEnd(StepOutcome.TIMED_OUT, reason, output=redact(context.output.text()))

    def _wait(self, task: Task[StepEnd], context: StepContext) -> None:
        """Wait until the step ends, or has had its time and a grace, or the bridge ends."""
        last = context.deadline + _GRACE_SECONDS
        while (left := last - time.monotonic()) > 0 and not task.wait(min(left, _LOOK_AT_STOP_SECONDS)):
            if self.stop.is_set():
                task.wait(min(left, _GRACE_SECONDS))
                return

    def _prepare(self, step: Step) -> Action:
        try:
            action = step.fill(self.run.episode.labels)
        except ValueError as error:
            first = str(error).splitlines()
            raise StepRefusedError(f"{step.action} cannot be filled from the labels: {' '.join(first[:3])}") from None
        refusals = [f"{name}: {why}" for name, why in action.refusals(self.allow)]
        if refusals:
            raise StepRefusedError("; ".join(refusals))
        return action

    def _context(self, action: Action) -> StepContext:
        timeout = (action.timeout or self.remediation.timeout).total_seconds()
        return StepContext(
            labels=self.run.episode.labels,
            target=self.run.target,
            host=self.run.host,
            allow=self.allow,
            backups=self.backups.of(self.run.id),
            deadline=time.monotonic() + timeout,
            stop=self.stop,
            output=Output(),
            tell=lambda notifiers, message: self.tell(notifiers, redact(message)),
            ours=self.ours,
        )

    def _work(self, action: Action, name: str, context: StepContext) -> StepEnd:
        """Copy what it will change, then run it."""
        exit_code = None
        try:
            if action.wants_backup(self.remediation.backup):
                self.backups.keep(action, name, context)
            outcome, reason = StepOutcome.SUCCEEDED, action.run(context)
        except StepTimeoutError as error:
            outcome, reason = error.outcome, str(error)
        except StepError as error:
            stopped = context.stop.is_set() and error.outcome is StepOutcome.FAILED
            outcome, reason = StepOutcome.INTERRUPTED if stopped else error.outcome, str(error)
            exit_code = error.exit_code
        except Exception as error:  # noqa: BLE001 - an action's mistake is a failed step, with what it said
            outcome, reason = StepOutcome.FAILED, f"{type(error).__name__}: {error}"
        return StepEnd(
            outcome,
            _sentence(context.output.without_secrets(reason)),
            exit_code,
            redact(context.output.text()),
            dict(context.results),
        )


def _sentence(text: str) -> str:
    """Make one line that can be kept and read of a text in which names may stand that hold anything."""
    return shown(redact(text))
