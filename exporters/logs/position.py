"""How far a log file was read: what is kept in the state database, together with what was counted up to there."""

import os
from dataclasses import dataclass
from pathlib import Path

from exporters.logs.fingerprint import NOTHING, Fingerprint, before, head_of

FileId = tuple[int, int]
"""Device and inode."""


@dataclass(frozen=True)
class Position:
    """How far a file was read."""

    offset: int = 0
    """Where the first line starts that is not yet counted (or, when `cutting`, a place inside one that is)."""
    head: Fingerprint = NOTHING
    """The file's first bytes, and `tail`, those before `offset`: how it is known again."""
    tail: Fingerprint = NOTHING
    counted: frozenset[str] = frozenset()
    """Ids of the patterns that the unfinished line at `offset` has been counted for already."""
    cutting: bool = False
    """`offset` is inside a line that is too long: skip to its end."""
    ignored: bool = False
    """Nothing in it is for us: it was there before us, or it is a copy of what was read under another name."""

    @property
    def known_again(self) -> bool:
        """Is there anything that the file could be known by? There is not while it is empty."""
        return self.offset > 0 or self.head.end > 0

    @property
    def untouched_size(self) -> int:
        """Return the size at which a file that was set aside stays so."""
        return self.tail.end

    def holds(self, fd: int) -> bool:
        """Is this still the file that was read up to here?"""
        return os.fstat(fd).st_size >= self.offset and self.head.holds(fd) and self.tail.holds(fd)


@dataclass(frozen=True)
class Known:
    """A file that was read, and the path that it was last read at."""

    path: Path
    position: Position
    left: bool = False
    """It has lost that path to another file, or to none."""


def position_at(fd: int, offset: int, *, counted: frozenset[str] = frozenset(), cutting: bool = False) -> Position:
    """Return the position at an offset, with the fingerprints that the file has now."""
    return Position(offset, head_of(fd), before(fd, offset), counted, cutting)


def set_aside(fd: int, offset: int) -> Position:
    """Return the position of a file that is ignored as long as it stays as it is; then it is read from `offset`."""
    return Position(offset, head_of(fd), before(fd, os.fstat(fd).st_size), ignored=True)


def file_id(stat: os.stat_result) -> FileId:
    """Return the file's identity."""
    return stat.st_dev, stat.st_ino
