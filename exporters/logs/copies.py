"""Copies of logs, as copytruncate makes them: what is in them was read under another name, or is still to be read."""

import os
from collections.abc import Iterable
from pathlib import Path

from exporters.logs.files import is_relative, relatives
from exporters.logs.position import FileId, Known
from exporters.logs.tail import Tail

_COMPARED = 64 * 1024


def is_copy(path: Path, fd: int, tails: Iterable[Tail]) -> bool:
    """Does a file look like a copy (perhaps one still being made) of one that we follow?"""
    return any(
        tail.fd != fd
        and is_relative(path, tail.path)
        and ((tail.position.offset > 0 and tail.position.holds(fd)) or _begins_alike(fd, tail.fd))
        for tail in tails
    )


def copies_of(tail: Tail, known: dict[FileId, Known]) -> list[Path]:
    """Return the copies of a file that has been truncated, the newest first: they hold what was not yet read of it.

    What was read already under its own name is none.
    """
    position, found = tail.position, []
    for key, (path, changed) in relatives(tail.path).items():
        if key == tail.id or (key in known and not known[key].position.ignored):
            continue
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except OSError:
            continue
        try:
            if position.head.end and position.head.holds(fd):
                found.append((position.holds(fd), changed, path))
        finally:
            os.close(fd)
    return [path for _, _, path in sorted(found, reverse=True)]


def _begins_alike(one: int, other: int) -> bool:
    size = min(os.fstat(one).st_size, os.fstat(other).st_size)
    spans = [(0, min(size, _COMPARED)), (max(0, size - _COMPARED), size)]
    return size > 0 and all(
        os.pread(one, end - start, start) == os.pread(other, end - start, start) for start, end in spans
    )
