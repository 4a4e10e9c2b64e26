"""What waits to be written, handed over in groups: whoever comes beside others shares their commit."""

import threading
from typing import Generic, TypeVar

Work = TypeVar("Work")
_PAUSE_SECONDS = 0.002


class Gathering(Generic[Work]):
    """One thread takes groups of what many put in.

    Where several share a commit they come back together too, one after the other, a little after it: a group begun with
    the first of them would be of one, and leave the others to the next. So a group waits for as many as the last had.
    """

    def __init__(self, largest: int, pause: float = _PAUSE_SECONDS) -> None:
        """Take the size that no group exceeds, and for how long nobody may come before a smaller group is closed."""
        self._largest, self._pause, self._wanted = largest, pause, 1
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
            self._changed.wait_for(lambda: self._waiting or self._closed)
            self._gather()
            group, self._waiting = self._waiting[: self._largest], self._waiting[self._largest :]
            self._wanted = max(1, len(group))
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
        before = 0
        while before < len(self._waiting) < self._wanted and not self._closed:
            before = len(self._waiting)
            self._changed.wait(self._pause)
