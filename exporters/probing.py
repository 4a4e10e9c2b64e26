"""Checks that are run at once, beside their schedule, because somebody asks.

Who asks waits no longer than the check's timeout, or than he would, and not at all once the end has begun. A run that
hangs is left behind, and what hangs is not run again as long as it does; there is room for a few at a time only, so
that scrapes are answered however many checks hang.
"""

import threading
from collections.abc import Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from typing import Any

from exporters.checks.base import Check, CheckContext, CheckResult
from exporters.clock import Clock
from exporters.run import GRACE_SECONDS, Run, gave_up, look

_ROOM = 8
"""Half of the threads that answer."""


class NotProbedError(Exception):
    """A check is not run now; the message says why."""

    @classmethod
    def hanging(cls, name: str) -> "NotProbedError":
        """Say that it would only hang as well."""
        return cls(f"the last run of '{name}' is still hanging")


class Probes:
    """Runs checks for those who ask."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._room = threading.Semaphore(_ROOM)
        self._ending = Future[None]()
        self._left: dict[str, Future[CheckResult]] = {}
        """Runs by the check's name that were left behind."""

    def end(self) -> None:
        """Let everybody go who waits, now and from now on; may be called in a signal's handler, and again."""
        if not self._ending.done():
            self._ending.set_result(None)

    def run(self, check: Check, memory: Mapping[str, object], timeout: float) -> Run:
        """Run a check, for `timeout` seconds at most.

        Raises:
            NotProbedError: one that was left behind has not come back; or too many ask.
        """
        before = self._left.get(check.name)
        if before is not None and not before.done():
            raise NotProbedError.hanging(check.name)
        if self._ending.done() or not self._room.acquire(blocking=False):
            raise NotProbedError("too many checks are being probed: ask again later")
        try:
            return self._run(check, memory, min(timeout, check.timeout.total_seconds()))
        finally:
            self._room.release()

    def _run(self, check: Check, memory: Mapping[str, object], seconds: float) -> Run:
        started_at, began = self._clock.time(), self._clock.monotonic()
        context, outcome = CheckContext(began + seconds, dict(memory)), Future[CheckResult]()
        work = threading.Thread(target=lambda: outcome.set_result(look(check, context)), name=check.name, daemon=True)
        work.start()
        either: list[Future[Any]] = [outcome, self._ending]
        wait(either, seconds + GRACE_SECONDS, FIRST_COMPLETED)
        if outcome.done():
            result = outcome.result()
        else:
            self._left[check.name], result = outcome, gave_up(seconds)
        return Run(started_at, self._clock.monotonic() - began, result)
