"""Whether a file at a path is still the one that was read, in a folder where names change at any moment."""

import os
from contextlib import suppress
from pathlib import Path

from exporters.logs.files import moved_to
from exporters.logs.position import FileId, Known, file_id

_LOOKS = 5
"""How often a file is looked for in a folder that is being rotated at that moment."""


def size_of(path: Path) -> int:
    """Return a file's size; 0 where there is none."""
    try:
        return path.stat().st_size
    except OSError:
        return 0


def found_again(key: FileId, known: Known, path: Path | None) -> Path | None:
    """Return where a known file is now, if it is still what was read; names may change while we look."""
    for _ in range(_LOOKS):
        here = path or moved_to(known.path, key)
        if here is None:
            continue
        with suppress(OSError), here.open("rb") as file:
            if file_id(os.fstat(file.fileno())) == key:
                if known.position.known_again:
                    return here if known.position.holds(file.fileno()) else None
                # It was empty, and so like any other: only its place tells, where a link that led to it was switched.
                return here if path is None and here == known.path else None
        path = None
    return None
