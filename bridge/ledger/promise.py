"""A promise that what a transaction has written will be durable: it is kept or broken, once."""

import threading
from collections.abc import Callable
from typing import Protocol


class Go(Protocol):
    """What is to be waited for before something begins."""

    def wait(self) -> bool:
        """Wait until what led to it is durable; false: that was undone, and nothing may be done for it."""

    def begun(self) -> None:
        """Say that it has begun, as often as one likes: who waited for the same commit is told after that."""


Follower = Callable[[Go], None]
"""Makes ready what follows from a transaction, and lets it begin when it may."""


class _Kept:
    def wait(self) -> bool:
        """Go at once."""
        return True

    def begun(self) -> None:
        """Nobody waits for that."""


DURABLE: Go = _Kept()
"""What led to it is durable already."""


class Promise:
    """One thread decides on it, any number may wait."""

    __slots__ = ("_begun", "_decided", "_kept")

    def __init__(self) -> None:
        self._decided = threading.Lock()
        self._decided.acquire()
        self._begun = threading.Event()
        self._kept = False

    def decide(self, *, kept: bool) -> None:
        """Let all go who wait; called once."""
        self._kept = kept
        self._decided.release()

    def wait(self) -> bool:
        """Wait, and tell whether it was kept."""
        with self._decided:
            return self._kept

    def begun(self) -> None:
        """Say that what was promised has begun."""
        self._begun.set()

    def let_begin(self, seconds: float) -> None:
        """Wait until it has begun, for so long at most."""
        self._begun.wait(seconds)
