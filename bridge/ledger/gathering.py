"""What waits to be written, handed over in groups: whoever comes beside others shares their commit."""

import threading
import time
from typing import Generic, TypeVar

Work = TypeVar("Work")
_LONGEST_SECONDS = 0.01
_PAUSES = 5
"""A group is closed sooner where nobody has joined it in so much of that time."""


class Gathering(Generic[Work]):
    """One thread takes groups of what many put in.

    Where several share a commit they come back together too, one after the other, a little after it: a group begun with
    the first of them would be of one, and leave the others to the next. So a group waits, a few milliseconds at most,
    for as many as the last one had and came meanwhile.
    """

    def __init__(self, largest: int, longest: float = _LONGEST_SECONDS) -> None:
        """Take the size that no group exceeds, and how many seconds one may wait for more."""
        self._largest, self._longest = largest, longest
        self._last, self._wanted = 0, 0
        self._waiting: list[Work] = []
        self._changed = threading.Condition()
        self._closed = False

    def put(self, work: Work) -> bool:
        """Let something wait for the next group; False: it is closed."""
        with self._changed:
            if self._closed:
                return False
            self._waiting.append(work)
            if len(self._waiting) in (1, self._wanted):  # nobody is woken for what changes nothing
                self._changed.notify()
            return True

    def take(self) -> list[Work]:
        """Wait for a group and return it, in the order of coming; empty: it is closed, and all is taken."""
        with self._changed:
            self._wanted = min(self._last + len(self._waiting), self._largest)
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._gather()
            group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
            self._last = len(group)
            return group

    def __len__(self) -> int:
        return len(self._waiting)

    def close(self) -> bool:
        """Take nothing more; False: it was closed before."""
        with self._changed:
            before, self._closed = self._closed, True
            self._changed.notify()
            return not before

    def _gather(self) -> None:
        before, end = 0, time.monotonic() + self._longest
        while before < len(self._waiting) < self._wanted and not self._closed and time.monotonic() < end:
            before = len(self._waiting)
            self._changed.wait(self._longest / _PAUSES)
