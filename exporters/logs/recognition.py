"""Whether a file at a path is still the one that was read, in a folder where names change at any moment."""

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from enum import Enum
from pathlib import Path

from exporters.logs.files import beside, moved_to
from exporters.logs.position import FileId, Known, file_id

_LOOKS = 5
"""How often a file is looked for in a folder that is being rotated at that moment."""


class Absent(Enum):
    """Why a known file is not where it could be read."""

    GONE = "gone"
    """It is nowhere in its folder, or what has its number is another file."""
    UNTOLD = "untold"
    """Its folder is not there, so it may come back with it."""


def size_of(path: Path) -> int:
    """Return a file's size; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def found_again(key: FileId, known: Known, path: Path | None, name: Path | None = None) -> Path | Absent:
    """Return where a known file is now, if it is still what was read; names may change while we look.

    `path` is where it was a log a moment ago, `name` what it was called then in its folder; without both it is gone.

    Raises:
        OSError: it cannot be told, since the file or its folder cannot be read.
    """
    for _ in range(_LOOKS):
        here = path or name
        if here is None:
            break
        with suppress(FileNotFoundError), here.open("rb") as file:
            if file_id(os.fstat(file.fileno())) == key:
                if known.position.known_again:
                    return here if known.position.holds(file.fileno()) else Absent.GONE
                # It was empty, and so like any other: only its place tells, where a link that led to it was switched.
                return here if path is None and here == known.path else Absent.GONE
        path, name = None, moved_to(known.path, key)
    return Absent.GONE if known.path.parent.is_dir() else Absent.UNTOLD


def renumbered(keys: Iterable[FileId], known: Mapping[FileId, Known]) -> Iterator[tuple[FileId, FileId]]:
    """Yield (old, new) of files whose device has another number than it had: after a reboot it may."""
    keys = list(keys)
    for folder in {known[key].path.parent for key in keys}:
        with suppress(OSError):
            there = beside(folder)
            numbers = {new[1]: new for new in there if new not in known}
            for key in keys:
                if key not in there and key[1] in numbers and known[key].path.parent == folder:
                    yield key, numbers[key[1]]
