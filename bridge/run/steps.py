"""One step: filled from labels, checked against what is allowed, run under its own timeout, its output kept."""

import functools
import math
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

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
from bridge.hands import Hands, Task
from bridge.ledger.journal import StepEnd
from bridge.ledger.promise import DURABLE, Go
from bridge.ledger.reply import Reply
from bridge.ledger.runs import Run
from bridge.policy.remediation import Remediation, Step
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
    hands: Hands = field(default_factory=lambda: Hands("step"))
    tell: Callable[[Sequence[str], str], int] = lambda _notifiers, _message: 0
    ours: tuple[str, ...] = ()
    """See `StepContext`."""

    @functools.cached_property
    def _kept(self) -> Path:
        return self.backups.of(self.run.id)

    def plan(self, step: Step) -> str:
        """Say in words what a step would do."""
        try:
            action = self._prepare(step)
            return _sentence(action.plan(self._context(action.timeout or self.remediation.timeout, self._kept)))
        except StepError as error:
            return _sentence(f"{step.action}: it would fail: {error}")
        except Exception as error:  # noqa: BLE001 - as when it is run
            return _sentence(f"{step.action}: it would fail: {type(error).__name__}: {error}")

    def start(self, step: Step, started: Callable[[int], None], go: Go = DURABLE) -> "Doing":
        """Make a step ready, and run it when `go` lets it; it raises nothing.

        `started` is told of each program that it starts.
        """
        checked_at = time.monotonic()
        ready = self._ready(step)
        prepare = functools.partial(self._context, ready.timeout, self._kept, checked_at)
        begins: Reply[StepContext | None] = Reply()

        def do() -> StepEnd | None:
            try:
                beginning = _Beginning(prepare, go, begins, started) if go.wait() else None
            except BaseException as error:
                begins.fail(error)
                raise
            if beginning is None:
                begins.give(None)
                return None
            if not ready.starts_program:
                beginning.now()
            try:
                return ready.work(beginning.context)
            finally:
                beginning.now()

        task = Task(do)
        try:
            self.hands.start(task)
        except RuntimeError:  # no thread can be had: it is done in this one, which would wait for it
            with suppress(Exception):
                task.do()
        return Doing(step.action, self.stop, task, begins)

    def _ready(self, step: Step) -> "_Ready":
        """Return what is to be done for a step; a refused one ends as it begins."""
        try:
            action = self._prepare(step)
        except StepError as error:
            end = StepEnd(error.outcome, _sentence(str(error)))
        except Exception as error:  # noqa: BLE001 - an action's mistake is a failed step, with what it said
            end = StepEnd(StepOutcome.FAILED, _sentence(f"{type(error).__name__}: {error}"))
        else:
            timeout = action.timeout or self.remediation.timeout
            return _Ready(functools.partial(self._work, action, step.action), timeout, action.starts_program)
        return _Ready(lambda _context: end, self.remediation.timeout)

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

    def _context(
        self,
        timeout: timedelta,
        backups: Path,
        checked_at: float = -math.inf,
        started: Callable[[int], None] = lambda _pid: None,
    ) -> StepContext:
        """Return what a step sees that begins now."""
        return StepContext(
            labels=self.run.episode.labels,
            target=self.run.target,
            host=self.run.host,
            allow=self.allow,
            backups=backups,
            deadline=time.monotonic() + timeout.total_seconds(),
            stop=self.stop,
            output=Output(),
            tell=lambda notifiers, message: self.tell(notifiers, redact(message)),
            started=started,
            ours=self.ours,
            checked_at=checked_at,
        )

    def _work(self, action: Action, name: str, context: StepContext) -> StepEnd:
        """Copy what it will change, then run it."""
        exit_code = None
        try:
            if not action.starts_program and action.wants_backup(self.remediation.backup):
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


@dataclass(frozen=True)
class _Ready:
    """What is to be done for a step, and how long that may take."""

    work: Callable[[StepContext], StepEnd]
    timeout: timedelta
    starts_program: bool = False
    """See `Action`."""


class _Beginning:
    """Of a step. Who waits for it goes on then; a program that it starts goes before them, and is noted first."""

    def __init__(
        self,
        prepare: Callable[[Callable[[int], None]], StepContext],
        go: Go,
        begins: Reply[StepContext | None],
        started: Callable[[int], None],
    ) -> None:
        self.context = prepare(self._program)
        self._go, self._begins, self._started = go, begins, started
        self._told = False

    def now(self) -> None:
        """It has begun, if it had not before."""
        if not self._told:
            self._told = True
            self._go.begun()
            self._begins.give(self.context)

    def _program(self, pid: int) -> None:
        self._go.begun()
        self._started(pid)
        self.now()


class Doing:
    """A step that was handed to a thread. Ask whether it begins, then for its end."""

    def __init__(
        self, action: str, stop: threading.Event, task: Task[StepEnd | None], begins: Reply[StepContext | None]
    ) -> None:
        self._action, self._stop, self._task, self._begins = action, stop, task, begins
        self._context: StepContext | None = None

    def begins(self) -> bool:
        """Wait until it begins; false: it never will."""
        self._context = self._begins.wait()
        return self._context is not None

    def end(self) -> StepEnd:
        """Wait until it ends, or has had its time and a grace, or the bridge ends; and say how it ended."""
        context = self._context
        if context is None:
            raise ValueError("it has not begun")
        self._wait(context.deadline + _GRACE_SECONDS)
        if self._task.results and (end := self._task.results[0]) is not None:
            return end
        if self._stop.is_set():
            reason = f"{self._action} did not give up when the bridge ended; it is left behind"
            return StepEnd(StepOutcome.INTERRUPTED, reason, output=redact(context.output.text()))
        reason = f"{self._action} did not give up when its time was up; it is left behind"
        return StepEnd(StepOutcome.TIMED_OUT, reason, output=redact(context.output.text()))

    def _wait(self, last: float) -> None:
        while (left := last - time.monotonic()) > 0 and not self._task.wait(min(left, _LOOK_AT_STOP_SECONDS)):
            if self._stop.is_set():
                self._task.wait(min(left, _GRACE_SECONDS))
                return


def _sentence(text: str) -> str:
    """Make one line that can be kept and read of a text in which names may stand that hold anything."""
    return shown(redact(text))
