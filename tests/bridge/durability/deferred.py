"""Workers that keep what they are given until the test lets them work, in the test's own thread."""

from collections import deque
from typing import Any

from bridge.hands import Task


class Deferred:
    """Work that waits for `work_one`."""

    def __init__(self) -> None:
        self.waiting: deque[Task[Any]] = deque()

    def start(self, task: Task[Any], /) -> None:
        """Keep it for later."""
        self.waiting.append(task)

    def work_one(self) -> None:
        """Do the first of what waits; what is no `Exception` ends the test's process, so to speak."""
        self.waiting.popleft().do()
