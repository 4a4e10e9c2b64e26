"""How a log file is known again: a hash of its first bytes and one of those just before where it was read to.

The number of an inode is reused, and copytruncate keeps the inode and replaces what is in it.
"""

import hashlib
import os
from dataclasses import dataclass

_SPAN = 1024


@dataclass(frozen=True)
class Fingerprint:
    """A hash of the bytes from `start` to `end` of a file."""

    start: int
    end: int
    digest: bytes

    def holds(self, fd: int) -> bool:
        """Is this still what stands there?"""
        return self.start == self.end or _taken(fd, self.start, self.end) == self


NOTHING = Fingerprint(0, 0, b"")
"""The fingerprint of no bytes, which every file has."""


def head_of(fd: int) -> Fingerprint:
    """Take the file's first bytes, as far as there are any."""
    return _taken(fd, 0, _SPAN)


def before(fd: int, offset: int) -> Fingerprint:
    """Take the bytes just before an offset."""
    return _taken(fd, max(0, offset - _SPAN), offset)


def _taken(fd: int, start: int, end: int) -> Fingerprint:
    data = os.pread(fd, end - start, start)
    if not data:
        return NOTHING
    return Fingerprint(start, start + len(data), hashlib.blake2b(data, digest_size=16).digest())
