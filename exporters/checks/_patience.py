"""An end for work that may wait where no timeout reaches: the resolver, or a peer that sends a byte now and then."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from exporters.checks.base import CheckContext, CheckError

_GRACE = 0.1
"""Seconds after the deadline in which the work may still say by itself what it waited for."""
_LEFT_BEHIND = "left behind"

T = TypeVar("T")


def in_time(context: CheckContext, work: Callable[[], T]) -> T:
    """Return what `work` returns; leave it behind, in a thread of its own, when the time is up.

    Raises:
        TimeoutError: it did not end in time.
        CheckError: what an earlier run left behind still waits; one more would only wait as well.
        Exception: whatever `work` raises.
    """
    before: threading.Thread | None = context.memory.get(_LEFT_BEHIND)
    if before is not None and before.is_alive():
        raise CheckError("an earlier run still waits for an answer, or for a name to be resolved")
    outcome: Future[T] = Future()
    thread = threading.Thread(target=_settle, args=(outcome, work), name="in time", daemon=True)
    thread.start()
    try:
        return outcome.result(context.remaining() + _GRACE)
    finally:
        context.memory[_LEFT_BEHIND] = thread


def _settle(outcome: Future[T], work: Callable[[], T]) -> None:
    try:
        outcome.set_result(work())
    except BaseException as error:  # noqa: BLE001 - it is raised where the result is asked for
        outcome.set_exception(error)
