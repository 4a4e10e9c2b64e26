"""Workers over a made-up clock: what they are given is done when its time has come, by whoever says so."""

import itertools
from collections.abc import Callable
from typing import Any

from bridge.hands import Task


class Pool:
    """Work that waits until the moment that `when` gives for its arguments, in unix seconds."""

    def __init__(self, when: Callable[..., float]) -> None:
        self._when = when
        self._waiting: list[tuple[float, int, Task[Any]]] = []
        self._count = itertools.count()

    def start(self, task: Task[Any], /) -> None:
        """Keep it until its time has come."""
        self._waiting.append((self._when(*task.args), next(self._count), task))
        self._waiting.sort(key=lambda each: each[:2])

    @property
    def next(self) -> float | None:
        """When the first of what waits is to be done."""
        return self._waiting[0][0] if self._waiting else None

    def do(self, now: float) -> bool:
        """Do the first of what waits, if its time has come; tell whether it was."""
        if self.next is None or self.next > now:
            return False
        _, _, task = self._waiting.pop(0)
        task.do()
        return True
