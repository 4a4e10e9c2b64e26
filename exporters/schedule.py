"""When checks run: each in the background, on its own interval and under its own timeout.

A run that hangs is given up at its timeout: its thread is left behind (a thread cannot be ended from outside) and takes
nobody's place. A failing check is run again after min(interval, 15 s), so that the proof of a fix comes soon.
"""

import heapq
import itertools
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from zlib import crc32

from exporters.checks.base import Check, CheckContext, CheckResult, Status
from exporters.clock import Clock
from exporters.probing import NotProbedError, Probes
from exporters.run import GRACE_SECONDS, Run, gave_up, look

RETRY_SECONDS = 15.0
_STARTING = 32
"""Runs at the same time that are younger than a second; what takes longer waits for something, and takes no place."""
_YOUNG_SECONDS = 1.0


@dataclass(frozen=True)
class Standing:
    """How a check stands now."""

    check: Check
    last: Run | None = None
    """None before its first run ended."""
    failures: int = 0
    """In a row, up to now."""

    def after(self, run: Run) -> "Standing":
        """Return how it stands after one more run."""
        failed = run.result.status is not Status.HEALTHY
        return Standing(self.check, run, self.failures + 1 if failed else 0)


class UnknownCheckError(Exception):
    """There is no check of this name."""


@dataclass
class _Task:
    """A check and the run of it that is under way, if any."""

    standing: Standing
    memory: dict[str, object] = field(default_factory=dict)
    due: float = 0.0
    number: int | None = None
    """The number of the run under way; another number that comes back is one that was given up."""
    began: float = 0.0
    started_at: float = 0.0
    hanging: bool = False
    """A run that was given up has not come back."""

    @property
    def check(self) -> Check:
        return self.standing.check

    @property
    def gives_up_at(self) -> float:
        return self.began + self.check.timeout.total_seconds() + GRACE_SECONDS


class Schedule:
    """Runs checks until it is stopped; whoever asks how they stand never waits for one."""

    def __init__(self, checks: Iterable[Check], clock: Clock, before: Mapping[str, Standing] | None = None) -> None:
        """Take the checks, and how they stood `before` a reload: what has not changed goes on from there."""
        self._clock = clock
        self._tasks: dict[str, _Task] = {}
        for check in checks:
            old = (before or {}).get(check.name)
            self._tasks[check.name] = _Task(old if old and old.check == check else Standing(check))
        self._running: dict[str, _Task] = {}
        self._probes = Probes(clock)
        self._numbers = itertools.count(1)
        self._due: list[tuple[float, int, str]] = []
        self._changed = threading.Condition()
        self._stopping = False
        self._thread = threading.Thread(target=self._loop, name="schedule", daemon=True)

    def start(self) -> None:
        """Begin: every check is due now."""
        now = self._clock.monotonic()
        for name, task in self._tasks.items():
            self._plan(name, task, now)
        self._thread.start()

    def stop(self) -> None:
        """End; runs under way are left to themselves, since one may hang."""
        self._probes.end()
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()

    def first_runs(self) -> dict[str, Standing]:
        """Wait until every check has run once, or was given up, and return how they stand."""
        with self._changed:
            self._changed.wait_for(lambda: all(task.standing.last for task in self._tasks.values()))
        return self.standings()

    def wake(self) -> None:
        """Look at the clock again now."""
        with self._changed:
            self._changed.notify_all()

    def again(self) -> None:
        """Run what failed last once more at once, instead of after its pause."""
        with self._changed:
            now = self._clock.monotonic()
            for name, task in self._tasks.items():
                if task.standing.failures and name not in self._running:
                    self._plan(name, task, now)
            self._changed.notify_all()

    def standings(self) -> dict[str, Standing]:
        """Return how every check stands, by name."""
        with self._changed:
            return {name: task.standing for name, task in self._tasks.items()}

    def probe(self, name: str, timeout: float) -> Run:
        """Run a check now, beside its schedule, for `timeout` seconds at most.

        Raises:
            UnknownCheckError: there is none of this name.
            NotProbedError: its last run has not come back; or too many ask.
        """
        with self._changed:
            task = self._tasks.get(name)
            if task is None:
                raise UnknownCheckError(name)
            if task.hanging:
                raise NotProbedError.hanging(name)
            memory = dict(task.memory)
        return self._probes.run(task.check, memory, timeout)

    def end_probes(self) -> None:
        """Let those go who wait for a probe; may be called in a signal's handler."""
        self._probes.end()

    def _plan(self, name: str, task: _Task, due: float) -> None:
        task.due = due
        heapq.heappush(self._due, (due, next(self._numbers), name))

    def _loop(self) -> None:
        with self._changed:
            while not self._stopping:
                now = self._clock.monotonic()
                self._give_up(now)
                next_start = self._begin(now)
                soonest = min([next_start, *(task.gives_up_at for task in self._running.values())])
                self._changed.wait(None if soonest == float("inf") else max(0.0, soonest - self._clock.monotonic()))

    def _give_up(self, now: float) -> None:
        """End the runs whose time is up."""
        for name, task in list(self._running.items()):
            if now >= task.gives_up_at:
                del self._running[name]
                task.number, task.hanging = None, True
                run = Run(task.started_at, now - task.began, gave_up(task.check.timeout.total_seconds()))
                self._record(name, task, run)

    def _begin(self, now: float) -> float:
        """Start what is due, as far as there is room; return when the next one can be started."""
        while self._due and self._due[0][0] <= now:
            young = [task.began for task in self._running.values() if now - task.began < _YOUNG_SECONDS]
            if len(young) >= _STARTING:
                return min(young) + _YOUNG_SECONDS  # or when one ends, which wakes us
            due, _, name = heapq.heappop(self._due)
            task = self._tasks[name]
            if due != task.due or name in self._running:
                continue
            if task.hanging:
                result = CheckResult(Status.UNKNOWN, "an earlier run is still hanging")
                self._record(name, task, Run(self._clock.time(), 0.0, result))
                continue
            self._launch(name, task)
        return self._due[0][0] if self._due else float("inf")

    def _launch(self, name: str, task: _Task) -> None:
        self._running[name] = task
        number = task.number = next(self._numbers)
        task.began, task.started_at = self._clock.monotonic(), self._clock.time()
        context = CheckContext(task.began + task.check.timeout.total_seconds(), task.memory)

        def work() -> None:
            result = look(task.check, context)
            self._came_back(name, task, number, result)

        threading.Thread(target=work, name=f"check {name}", daemon=True).start()

    def _came_back(self, name: str, task: _Task, number: int, result: CheckResult) -> None:
        with self._changed:
            if task.number == number:
                del self._running[name]
                self._record(name, task, Run(task.started_at, self._clock.monotonic() - task.began, result))
            else:  # too late to count, but now it can be run again
                task.hanging = False
                self._plan(name, task, self._clock.monotonic())
            self._changed.notify_all()

    def _record(self, name: str, task: _Task, run: Run) -> None:
        self._changed.notify_all()
        is_first = task.standing.last is None
        task.standing = task.standing.after(run)
        pause = task.check.interval.total_seconds()
        if task.standing.failures:
            pause = min(pause, RETRY_SECONDS)
        if is_first and len(self._tasks) > _STARTING:  # else all would come together for ever
            pause *= 0.25 + 0.75 * crc32(name.encode()) / 2**32
        self._plan(name, task, self._clock.monotonic() - run.seconds + pause)
