"""The files of a source that are held open, and those that are known; what becomes of them is noted in a `Change`."""

import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from exporters.logs.copies import is_copy
from exporters.logs.files import moved_to
from exporters.logs.position import FileId, Known, Position, file_id, set_aside
from exporters.logs.store import Change
from exporters.logs.tail import Tail


class Files:
    """The files of one source."""

    def __init__(self, known: Mapping[FileId, Known]) -> None:
        self.known = dict(known)
        """How far each was read that we have ever seen, and that is not gone."""
        self.tails: dict[FileId, Tail] = {}
        """Those that are held open."""
        self.empty: dict[FileId, Path] = {}
        """Older generations that were found empty, and where: each may be a copy that has just begun."""

    def close(self) -> None:
        """Let go of every file."""
        for tail in self.tails.values():
            tail.close()
        self.tails.clear()

    def open(self, key: FileId, path: Path, position: Position, change: Change) -> Tail | None:
        """Hold a file open; None if it cannot be opened, which is tried again at the next look."""
        try:
            fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        except FileNotFoundError:
            return None
        except OSError:
            change.totals["errors"] += 1
            return None
        tail = Tail(path, fd, position)
        if tail.id != key or key in self.tails:  # names have changed while we looked
            tail.close()
            return None
        self.tails[tail.id] = tail
        return tail

    def set_aside(self, key: FileId, path: Path, offset: int, change: Change) -> None:
        """Ignore a file as long as it stays as it is; what comes after that is read from `offset`."""
        with suppress(OSError), path.open("rb") as file:
            if file_id(os.fstat(file.fileno())) == key and key not in self.tails:
                self.remember(key, Known(path, set_aside(file.fileno(), offset)), change)

    def is_to_be_read(self, tail: Tail, change: Change) -> bool:
        """Tell whether a file is to be read: one that was found empty is once it no longer is, if it is no copy."""
        if tail.id not in self.empty:
            return True
        if not os.fstat(tail.fd).st_size:
            tail.more, tail.settled = False, True
            return False
        found = self.empty.pop(tail.id)
        if not is_copy(found, tail.fd, self.tails.values()):
            return True
        self.drop(tail)
        self.set_aside(tail.id, moved_to(found, tail.id) or found, 0, change)
        return False

    def drop(self, tail: Tail) -> None:
        """Let go of a file, and go on knowing it."""
        del self.tails[tail.id]
        tail.close()

    def keep(self, tail: Tail, change: Change) -> None:
        """Note how far a file was read."""
        self.remember(tail.id, Known(tail.path, tail.position, tail.left_at is not None), change)

    def remember(self, key: FileId, known: Known, change: Change) -> None:
        """Note what is known of a file."""
        self.known[key] = change.files[key] = known
        change.forgotten.discard(key)

    def forget(self, key: FileId, change: Change) -> None:
        """A file is gone."""
        self.known.pop(key, None)
        change.files.pop(key, None)
        change.forgotten.add(key)
