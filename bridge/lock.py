"""One bridge works on a ledger at a time: a lock beside it. gunicorn's reload starts a second process for seconds."""

import fcntl
import os
from pathlib import Path


class LedgerLock:
    """Held until it is released or the process ends, however it ends."""

    def __init__(self, ledger: Path) -> None:
        self.file = ledger.with_name(ledger.name + ".lock")
        self._descriptor: int | None = None

    def take(self) -> bool:
        """Try to take the lock; tell whether it is held now.

        Raises:
            OSError: the file cannot be made, or not be locked there.
        """
        if self._descriptor is not None:
            return True
        self.file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return False
            raise
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        """Let the next one have it."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None
