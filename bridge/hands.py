"""Threads for work beside the caller's: a free one is reused, and one that hangs is left behind, in nobody's way."""

import math
import sys
import threading
from collections import deque
from collections.abc import Callable
from queue import Empty, SimpleQueue
from typing import Any, Generic, Protocol, TypeVar

Result = TypeVar("Result")
_IDLE_SECONDS = 30.0
"""A thread that had nothing to do for so long ends."""


class Task(Generic[Result]):
    """Something that is to be done once."""

    __slots__ = ("_done", "_work", "args", "results")

    def __init__(self, work: Callable[..., Result], *args: Any) -> None:
        self._work, self.args = work, args
        self._done = threading.Lock()
        self._done.acquire()
        self.results: list[Result] = []
        """Empty until it is done; what raises has no result."""

    def wait(self, seconds: float) -> bool:
        """Wait until it is done, for so long at most; tell whether it is."""
        if not self._done.acquire(timeout=max(0.0, seconds)):
            return False
        self._done.release()
        return True

    def do(self, before_told: Callable[[], None] = lambda: None) -> None:
        """Do it, in the calling thread."""
        work = self._work
        del self._work  # it may hold this very task
        try:
            self.results.append(work(*self.args))
            before_told()
        finally:
            self._done.release()


class Workers(Protocol):
    """Whatever does work beside the caller's."""

    def start(self, task: Task[Any], /) -> None:
        """Let something be done.

        Raises:
            RuntimeError: it cannot be, and will not be done later either.
        """


class Hands:
    """Daemon threads: none keeps the process from ending. There are as many as were ever needed at once.

    An executor of Python's keeps what it could not find a thread for, and does it later after all; and it makes half a
    dozen locks for each thing that is to be done.
    """

    def __init__(self, name: str, most: float = math.inf) -> None:
        """Take the name of its threads, and how many there may be: where all are at work, the others wait in line."""
        self._name, self._most = name, most
        self._count = 0
        self._free: list[SimpleQueue[Task[Any]]] = []
        self._line: deque[Task[Any]] = deque()
        self._lock = threading.Lock()

    def start(self, task: Task[Any], /) -> None:
        """Let a thread do something.

        Raises:
            RuntimeError: no thread can be started; it will not be done.
        """
        with self._lock:
            inbox = self._free.pop() if self._free else None
            if inbox is None:
                if self._count >= self._most:
                    self._line.append(task)
                    return
                inbox = SimpleQueue()
                threading.Thread(target=self._work, args=(inbox,), name=self._name, daemon=True).start()
                self._count += 1
        inbox.put(task)

    def _work(self, inbox: "SimpleQueue[Task[Any]]") -> None:
        while True:
            try:
                task = inbox.get(timeout=_IDLE_SECONDS)
            except Empty:
                if self._is_let_go(inbox):
                    return
                continue
            try:
                task.do(before_told=lambda: self._set_free(inbox))  # whoever waits for it may need a thread at once
            except BaseException:  # noqa: BLE001 - it is said as that of a thread which ends, but this one goes on
                threading.excepthook(threading.ExceptHookArgs((*sys.exc_info(), threading.current_thread())))
                self._set_free(inbox)
            del task  # what it holds is not kept while there is nothing to do

    def _set_free(self, inbox: "SimpleQueue[Task[Any]]") -> None:
        with self._lock:
            if self._line:
                inbox.put(self._line.popleft())
            else:
                self._free.append(inbox)

    def _is_let_go(self, inbox: "SimpleQueue[Task[Any]]") -> bool:
        """Take a thread out of the free ones; false where it was given something at this very moment."""
        with self._lock:
            if inbox not in self._free:
                return False
            self._free.remove(inbox)
            self._count -= 1
            return True
