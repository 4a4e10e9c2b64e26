"""Threads for work that is never done twice: what could not be given to one is not done later either."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any


class Pool(ThreadPoolExecutor):
    """As Python's, which keeps work for the next free thread even where it has said that it cannot start one."""

    def submit(self, work: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Let a thread do something.

        Raises:
            RuntimeError: no thread can be started, or the pool is shut down; it will not be done.
        """
        future: Future[Any] = Future()

        def do() -> None:
            if not future.set_running_or_notify_cancel():
                return
            try:
                result = work(*args, **kwargs)
            except BaseException as error:  # noqa: BLE001 - as Python's: it belongs to whoever asks for the result
                future.set_exception(error)
            else:
                future.set_result(result)

        try:
            super().submit(do)
        except RuntimeError:
            if future.cancel():
                raise
        return future
