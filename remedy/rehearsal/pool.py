"""An executor over a made-up clock: what it is given is done when its time has come, by whoever says so."""

import itertools
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import Any


class Pool(Executor):
    """Work that waits until the moment that `when` gives for its arguments, in unix seconds."""

    def __init__(self, when: Callable[..., float]) -> None:
        self._when = when
        self._waiting: list[tuple[float, int, Future[Any], Callable[[], Any]]] = []
        self._count = itertools.count()

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Keep it until its time has come."""
        future: Future[Any] = Future()
        entry = (self._when(*args), next(self._count), future, lambda: work(*args, **kwargs))
        self._waiting.append(entry)
        self._waiting.sort(key=lambda each: each[:2])
        return future

    @property
    def next(self) -> float | None:
        """When the first of what waits is to be done."""
        return self._waiting[0][0] if self._waiting else None

    def do(self, now: float) -> bool:
        """Do the first of what waits, if its time has come; tell whether it was."""
        if self.next is None or self.next > now:
            return False
        _, _, future, work = self._waiting.pop(0)
        carry_out(future, work)
        return True


def carry_out(future: Future[Any], work: Callable[[], Any]) -> None:
    """Do what was submitted, in the calling thread; what is no `Exception` goes on to whoever calls."""
    future.set_running_or_notify_cancel()
    try:
        result = work()
    except Exception as error:  # noqa: BLE001 - whoever submitted it hears of it
        future.set_exception(error)
    else:
        future.set_result(result)
