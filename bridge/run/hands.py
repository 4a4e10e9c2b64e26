"""The threads that do steps: a free one is reused, and one whose step never ends is left behind, in nobody's way."""

import threading
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Generic, TypeVar

Result = TypeVar("Result")
_IDLE_SECONDS = 30.0
"""A thread that had nothing to do for so long ends."""


class Task(Generic[Result]):
    """Something that is being done."""

    def __init__(self, work: Callable[[], Result]) -> None:
        self._work = work
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

    def do(self, before_told: Callable[[], None]) -> None:
        """Do it, in the calling thread."""
        try:
            self.results.append(self._work())
            before_told()
        finally:
            self._done.release()


class Hands:
    """Daemon threads: none keeps the process from ending. There are as many as were ever needed at once."""

    def __init__(self) -> None:
        self._free: list[SimpleQueue[Task[object]]] = []
        self._lock = threading.Lock()

    def start(self, work: Callable[[], Result]) -> Task[Result]:
        """Let a thread do something; what raises ends its thread. Where none can be had, do it before returning."""
        task = Task(work)
        with self._lock:
            inbox = self._free.pop() if self._free else None
        if inbox is None:
            inbox = SimpleQueue()
            try:
                threading.Thread(target=self._work, args=(inbox,), name="step", daemon=True).start()
            except RuntimeError:
                with suppress(Exception):
                    task.do(before_told=lambda: None)
                return task
        inbox.put(task)  # type: ignore[arg-type]
        return task

    def _work(self, inbox: "SimpleQueue[Task[object]]") -> None:
        while True:
            try:
                task = inbox.get(timeout=_IDLE_SECONDS)
            except Empty:
                if self._is_let_go(inbox):
                    return
                continue
            task.do(before_told=lambda: self._set_free(inbox))  # whoever waits for it may need a thread at once

    def _set_free(self, inbox: "SimpleQueue[Task[object]]") -> None:
        with self._lock:
            self._free.append(inbox)

    def _is_let_go(self, inbox: "SimpleQueue[Task[object]]") -> bool:
        """Take a thread out of the free ones; false where it was given something at this very moment."""
        with self._lock:
            if inbox not in self._free:
                return False
            self._free.remove(inbox)
            return True
