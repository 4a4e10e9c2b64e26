"""Copies of logs, as copytruncate makes them: what is in them was read under another name, or is still to be read."""

import os
from collections.abc import Collection
from pathlib import Path

from exporters.logs.files import Beside, open_file
from exporters.logs.position import FileId, Position
from exporters.logs.tail import Tail

_COMPARED = 64 * 1024


class UntoldError(Exception):
    """It cannot be told yet: there is something in a log that is to be read first."""


def is_copy(fd: int, tails: Collection[Tail]) -> bool:
    """Does a file look like a copy (perhaps one still being made) of one of these?

    Raises:
        UntoldError: it may be one of what is to be read first. Were that emptied before, the copy would be all of it.
    """
    return any(_is_of(tail, fd) for tail in tails)


def copies_of(position: Position, found: Beside) -> list[tuple[FileId, Path]]:
    """Return the copies of what was read up to a position: those that hold all of that first, the newest first."""
    copies = []
    for key, (beside, changed) in found.items():
        try:
            fd = open_file(key, beside)
        except OSError:
            continue
        if fd is None:
            continue
        try:
            if position.head.end and position.head.holds(fd):
                copies.append((position.holds(fd), changed, key, beside))
        finally:
            os.close(fd)
    return [(key, beside) for _, _, key, beside in sorted(copies, reverse=True)]


def _is_of(tail: Tail, fd: int) -> bool:
    """Does a file look like a copy of what is, or was until a moment ago, in another one?"""
    part = _is_part(fd, tail.fd)
    # Asked after comparing: if it still holds what was read, it was not emptied while we compared.
    if not tail.is_unread:
        if tail.position.holds(tail.fd):
            return part
        if tail.position.holds(fd):
            return True
    if tail.left_at is not None:
        return part  # nobody empties it any more
    if not tail.is_empty:
        raise UntoldError
    return False


def _is_part(copy: int, original: int) -> bool:
    """Is a file the beginning, or all, of another one?"""
    size = os.fstat(copy).st_size
    spans = [(0, min(size, _COMPARED)), (max(0, size - _COMPARED), size)]
    return 0 < size <= os.fstat(original).st_size and all(
        os.pread(copy, end - start, start) == os.pread(original, end - start, start) for start, end in spans
    )
