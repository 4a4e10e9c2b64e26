"""Room on the disk that is ours already, for when there is no other: the fix for a full disk must be decided, too.

A file beside the ledger holds real blocks. What fills a disk goes on filling it, so these are not thrown to everybody:
most go, piece by piece, straight to the ledger's log, where everything is written first; a little is set free for the
rest, such as the ledger's own growth when the log is moved into it.
"""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from remedy.config.logger import structlog

_BLOCK = 512
"""Bytes of what `stat` calls a block."""
_PIECE = 256 * 1024
"""Bytes that are set free at once: so much at most is lost to somebody who is faster."""
_LOG = 12 * 1024**2
"""Bytes that the log gets in all: more than those after which SQLite moves it into the ledger and begins it anew."""
_SOME_ROOM = 1024**2
"""Bytes; a disk that has less is still a full one."""


class Reserve:
    """The reserve of one ledger; safe to use from several threads."""

    def __init__(self, ledger: Path, size: int) -> None:
        """Take the ledger's file and how many bytes to keep, 0 for none; nothing is done yet."""
        self.file = ledger.with_name(ledger.name + ".reserve")
        self.size = size
        self._journal = ledger.with_name(ledger.name + "-wal")
        self._lock = threading.Lock()
        self._log = structlog.get_logger("reserve")
        self._told = False

    @property
    def held(self) -> int:
        """How many bytes there are to be given: real blocks, not those of a copy with holes."""
        try:
            status = self.file.lstat()
        except OSError:
            return 0
        return min(status.st_size, status.st_blocks * _BLOCK)

    def has_room(self) -> bool:
        """Tell whether there is more than the little that a small write may still find on a full disk.

        A disk that cannot be asked has none: it is asked after each write, whoever waits for that must hear of it.
        """
        try:
            return self.held > 0 or self._free() >= _SOME_ROOM
        except OSError:
            return False

    def fill(self) -> None:
        """Make it whole, where as much again stays free for others; where not, say so once and leave it as it is."""
        with self._lock:
            if self.held == self.size:
                return
            try:
                self._fill()
            except OSError as error:
                self._tell(error.strerror or str(error))

    def give(self) -> bool:
        """Give up a part of it, because the disk is full; false where nothing is left to be given."""
        with self._lock:
            left = self.held
            if not left:
                return False
            try:
                left = self._give(left)
            except OSError as error:
                self._log.error("the reserve cannot be given up", reason=error.strerror)
                return False
        self._log.warning("the disk is full: a part of the reserve is given up", left_bytes=left)
        return True

    def _fill(self) -> None:
        if not self.size:
            self.file.unlink(missing_ok=True)
            return
        if self._free() < self.size - self.held + self.size:
            self._tell("there is too little room on the disk")
            return
        descriptor = os.open(self.file, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            before = min(self.size, os.fstat(descriptor).st_size)
            os.ftruncate(descriptor, before)
            try:
                os.posix_fallocate(descriptor, 0, self.size)
            except OSError:
                os.ftruncate(descriptor, before)
                raise
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        self._told = False
        self._log.info("the reserve is whole", bytes=self.size)

    def _give(self, left: int) -> int:
        with _opened(self.file) as reserve:
            if self._journal.exists():
                with _opened(self._journal) as log:
                    left = _hand_over(reserve, left, log)
            left = max(0, left - _PIECE)
            _shrink(reserve, left)
        return left

    def _free(self) -> int:
        disk = os.statvfs(self.file.parent)
        return disk.f_bavail * disk.f_frsize

    def _tell(self, reason: str) -> None:
        if not self._told:
            self._log.warning("the reserve is not whole", held_bytes=self.held, wanted_bytes=self.size, reason=reason)
        self._told = True


def _hand_over(reserve: int, left: int, log: int) -> int:
    """Move blocks to the end of the log until it has enough, or somebody else is faster; return what is left.

    SQLite ignores what is after the last frame of its log. That a close of any of its files ends its locks on that file
    does no harm here: it has none on its log.
    """
    size = os.fstat(log).st_size
    while left > _PIECE and size < _LOG:
        left -= _PIECE
        os.ftruncate(reserve, left)
        before, size = size, _grow(log, size)
        if size == before:
            os.fsync(reserve)  # some file systems give blocks to others only after that
            size = _grow(log, size)
        if size == before:
            break
    return left


def _grow(file: int, size: int) -> int:
    """Add blocks to the end of a file; return how long it is now, for a part of them may have been had."""
    with suppress(OSError):
        os.posix_fallocate(file, size, _PIECE)
    return os.fstat(file).st_size


def _shrink(file: int, to: int) -> None:
    os.ftruncate(file, to)
    os.fsync(file)


@contextmanager
def _opened(file: Path) -> Iterator[int]:
    descriptor = os.open(file, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
