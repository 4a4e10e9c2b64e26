"""The bridge's clock: the time of day, except that it does not jump by itself.

Somebody sets the machine's clock, or a time service does after a start without network: no hold may end early because
of that, nor last longer. So this clock goes on evenly from where it was, until the ledger's times have been moved too.
"""

import time
from collections.abc import Callable
from pathlib import Path

TOLERANCE_SECONDS = 1.0
"""Less than that is no jump: a time service corrects it, and this clock follows at once."""
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def since_boot() -> float:
    """Return seconds that go on evenly, also while the machine sleeps, where there is such a clock."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


def boot_id() -> str:
    """Return what is another one after each start of the machine; empty where nothing says so."""
    try:
        return _BOOT_ID.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        return ""


class SteadyClock:
    """Returns unix seconds when called."""

    def __init__(
        self,
        wall: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = since_boot,
        boot: Callable[[], str] = boot_id,
    ) -> None:
        """Take the time of day, seconds that go on evenly, and what names the start that they count from."""
        self.wall, self.monotonic, self.boot = wall, monotonic, boot
        self._offset = wall() - monotonic()

    def __call__(self) -> float:
        """Return the time."""
        return self.monotonic() + self._offset

    def jump(self) -> float:
        """Return by how many seconds the time of day has jumped away from this clock; negative: back."""
        by = self.wall() - self()
        if abs(by) > TOLERANCE_SECONDS:
            return by
        self.move(by)
        return 0.0

    def move(self, by: float) -> None:
        """Put this clock forward, or back where it is negative."""
        self._offset += by
