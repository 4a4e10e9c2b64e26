"""The chores of the ledger: a clock that was set back, and a record that must not grow for ever."""

import time
from collections.abc import Callable

import structlog

from bridge.ledger import clock, retention
from bridge.ledger.store import Ledger

_TOLERANCE_SECONDS = 1.0


class Housekeeping:
    """Called between rounds."""

    def __init__(self, ledger: Ledger, now: Callable[[], float], monotonic: Callable[[], float] = time.monotonic):
        self._ledger, self._now, self._monotonic = ledger, now, monotonic
        self._log = structlog.get_logger("housekeeping")
        self._seen = (now(), monotonic())

    def begin(self) -> None:
        """At start: see whether the last process had a clock that was ahead of ours."""
        with self._ledger.read() as connection:
            self._set_back(clock.ahead(connection, self._now()))

    def look_at_clock(self) -> float:
        """Return the time; where the clock was set back, the ledger's times follow it first."""
        now, monotonic = self._now(), self._monotonic()
        before, since = self._seen
        self._seen = (now, monotonic)
        self._set_back(before + (monotonic - since) - now)
        return now

    def forget(self, keep: float) -> None:
        """Drop a part of what ended more than `keep` seconds ago."""
        before = self._now() - keep
        self._ledger.write(lambda connection: retention.forget(connection, before))

    def _set_back(self, by: float) -> None:
        if by <= _TOLERANCE_SECONDS:
            return
        self._log.warning("the clock was set back", seconds=round(by, 1))
        self._ledger.write(lambda connection: clock.set_back(connection, by, self._now()))
