"""What one thread waits for and another one gives it."""

import threading
from typing import Generic, TypeVar, cast

Result = TypeVar("Result")


class Reply(Generic[Result]):
    """A result or an error, given once to one who waits.

    A `Future` does that too, and much more: it would cost each notification as much as its place in the queue.
    """

    __slots__ = ("_error", "_given", "_result")

    def __init__(self) -> None:
        self._given = threading.Lock()
        self._given.acquire()
        self._result: Result | None = None
        self._error: BaseException | None = None

    def give(self, result: Result) -> None:
        """Give the result."""
        self._result = result
        self._given.release()

    def fail(self, error: BaseException) -> None:
        """Give an error, which is raised where the result is waited for."""
        self._error = error
        self._given.release()

    def wait(self) -> Result:
        """Wait for the result."""
        self._given.acquire()
        if self._error is not None:
            raise self._error
        return cast("Result", self._result)
