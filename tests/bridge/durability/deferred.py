"""An executor that keeps what it is given until the test lets it work, in the test's own thread."""

from collections import deque
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


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
        future, work = self.waiting.popleft()
        future.set_running_or_notify_cancel()
        try:
            result = work()
        except Exception as error:  # noqa: BLE001 - whoever submitted it hears of it
            future.set_exception(error)
        else:
            future.set_result(result)
