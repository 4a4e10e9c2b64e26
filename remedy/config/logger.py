"""structlog, for all that logs: without rich, which it takes along where it is installed, to paint stack traces.

Nobody gets those, and reading rich's modules would take a fourteenth of the bridge's start.
"""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["EventDict", "FilteringBoundLogger", "Processor", "WrappedLogger", "structlog"]


@contextmanager
def _without(module: str) -> Iterator[None]:
    """Let what is imported meanwhile find a module not installed."""
    before = sys.modules.get(module)
    sys.modules[module] = None  # type: ignore[assignment] # so says the documentation of sys.modules
    try:
        yield
    finally:
        if before is None:
            del sys.modules[module]
        else:
            sys.modules[module] = before


with _without("rich"):
    import structlog
    from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger
