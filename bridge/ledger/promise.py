"""A promise that what a transaction has written will be durable: it is kept or broken, once."""

import threading
from collections.abc import Callable

Go = Callable[[], bool]
"""Waits until what led to something is durable; false: it was undone, and nothing may be done for it."""
Follower = Callable[[Go], None]
"""Makes ready what follows from a transaction, and lets it begin when it may."""


def durable_already() -> bool:
    """Go at once."""
    return True


class Promise:
    """One thread decides on it, any number may wait."""

    __slots__ = ("_decided", "_kept")

    def __init__(self) -> None:
        self._decided = threading.Lock()
        self._decided.acquire()
        self._kept = False

    def decide(self, *, kept: bool) -> None:
        """Let all go who wait; called once."""
        self._kept = kept
        self._decided.release()

    def wait(self) -> bool:
        """Wait, and tell whether it was kept."""
        with self._decided:
            return self._kept
