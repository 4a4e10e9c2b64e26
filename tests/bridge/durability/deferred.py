"""An executor that keeps what it is given until the test lets it work, in the test's own thread."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any

from remedy.rehearsal.pool import carry_out


class Deferred(Executor):
    """Work that waits for `work_one`."""

    def __init__(self) -> None:
        self.waiting: deque[tuple[Future[Any], Callable[[], Any]]] = deque()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Keep it for later."""
        future: Future[Any] = Future()
        self.waiting.append((future, lambda: work(*args, **kwargs)))
        return future

    def work_one(self) -> None:
        """Do the first of what waits; what is no `Exception` ends the test's process, so to speak."""
        carry_out(*self.waiting.popleft())
