"""The clock that is passed in; Python's `time` module is one."""

from typing import Protocol


class Clock(Protocol):
    """Two clocks: one for people, and one that never jumps."""

    def time(self) -> float:
        """Return the unix time in seconds."""

    def monotonic(self) -> float:
        """Return seconds that only go forward, for durations and deadlines."""
