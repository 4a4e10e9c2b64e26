"""Copies of logs, as copytruncate makes them: what is in them was read under another name, or is still to be read."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from exporters.logs.files import is_relative, relatives
from exporters.logs.position import FileId, Known, Position, file_id
from exporters.logs.tail import Tail

_COMPARED = 64 * 1024


def is_copy(path: Path, fd: int, tails: Iterable[Tail]) -> bool:
    """Does a file look like a copy (perhaps one still being made) of one that we follow?"""
    return any(tail.fd != fd and is_relative(path, tail.path) and _is_of(tail, fd) for tail in tails)


def copies_of(path: Path, position: Position, known: Mapping[FileId, Known]) -> list[tuple[FileId, Path]]:
    """Return the copies of a file that was read up to a position, those that hold all of that first, the newest first.

    What was read already under its own name is none.

    Raises:
        OSError: their folder cannot be read.
    """
    found = []
    for key, (beside, changed) in relatives(path).items():
        if key in known and not known[key].position.ignored:
            continue
        try:
            fd = os.open(beside, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if file_id(os.fstat(fd)) == key and position.head.end and position.head.holds(fd):
                found.append((position.holds(fd), changed, key, beside))
        finally:
            os.close(fd)
    return [(key, beside) for _, _, key, beside in sorted(found, reverse=True)]


def _is_of(tail: Tail, fd: int) -> bool:
    """Does a file look like a copy of what is, or was until a moment ago, in another one?"""
    part = _is_part(fd, tail.fd)
    # Asked after comparing: if it still holds what was read, it was not emptied while we compared.
    return part if tail.position.holds(tail.fd) else _held(tail, fd)


def _held(tail: Tail, fd: int) -> bool:
    """Does a file hold what was read of one that has been truncated since?"""
    return tail.position.head.end > 0 and tail.position.holds(fd)


def _is_part(copy: int, original: int) -> bool:
    """Is a file the beginning, or all, of another one?"""
    size = os.fstat(copy).st_size
    spans = [(0, min(size, _COMPARED)), (max(0, size - _COMPARED), size)]
    return 0 < size <= os.fstat(original).st_size and all(
        os.pread(copy, end - start, start) == os.pread(original, end - start, start) for start, end in spans
    )
