"""Wait for what real processes do, by asking them."""

import time
from collections.abc import Callable
from typing import TypeVar

Answer = TypeVar("Answer")


def wait_for(ask: Callable[[], Answer], within: float = 20.0, every: float = 0.05) -> Answer:
    """Ask until the answer is true, and return it; what `ask` says last is in the failure."""
    deadline = time.monotonic() + within
    while not (answer := ask()):
        assert time.monotonic() < deadline, f"did not come within {within} s; the last answer was {answer!r}"
        time.sleep(every)
    return answer
