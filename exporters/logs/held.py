"""The files of a source that are held open, and those that are known; what becomes of them is noted in a `Change`."""

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import suppress
from pathlib import Path
from stat import S_ISREG

from exporters.logs.copies import UntoldError, is_copy
from exporters.logs.files import logs_of, open_file
from exporters.logs.position import FileId, Known, Position, file_id, set_aside
from exporters.logs.store import Change
from exporters.logs.tail import Tail


class Files:
    """The files of one source."""

    def __init__(self, known: Mapping[FileId, Known]) -> None:
        self.known = dict(known)
        """How far each was read that we have ever seen, and that is not gone."""
        self._at = defaultdict[Path, set[FileId]](set)
        """The same by the path that each was last read at."""
        for key, each in known.items():
            self._at[each.path].add(key)
        self.tails: dict[FileId, Tail] = {}
        """Those that are held open."""
        self.empty: dict[FileId, Path] = {}
        """Older generations that were found empty, and where: each may be a copy that has just begun."""
        self.lost: list[Known] = []
        """Files that are gone or were emptied, and of which it is not yet known what copies there are."""

    def close(self) -> None:
        """Let go of every file."""
        for tail in self.tails.values():
            tail.close()
        self.tails.clear()

    def are_held(self, paths: Set[Path]) -> bool:
        """Is any of these paths one that a file is held of?"""
        return any(self._held(paths))

    def is_read(self, key: FileId) -> bool:
        """Is a file read under its own name? Then it is no copy. What was empty so far may still be one."""
        known = self.known.get(key)
        return known is not None and not known.position.ignored and key not in self.empty

    def open(self, key: FileId, path: Path, position: Position, change: Change) -> Tail | None:
        """Hold a file open; None if it cannot be opened, which is tried again at the next look."""
        try:
            fd = open_file(key, path)
        except OSError:
            change.totals["errors"] += 1
            return None
        if fd is None:
            return None
        self.tails[key] = tail = Tail(path, fd, position)
        return tail

    def set_aside(self, key: FileId, path: Path, offset: int, change: Change) -> None:
        """Ignore a file as long as it stays as it is; what comes after that is read from `offset`."""
        with suppress(OSError):
            fd = open_file(key, path)
            if fd is None:
                return
            try:
                self.remember(key, Known(path, set_aside(fd, offset)), change)
            finally:
                os.close(fd)

    def is_to_be_read(self, tail: Tail, change: Change) -> bool:
        """Tell whether a file is to be read: one that was found empty is once it no longer is, if it is no copy."""
        if tail.id not in self.empty:
            return True
        if tail.is_empty:
            tail.more, tail.settled = False, True
            return False
        try:
            copy = self._is_copy(tail, self.empty[tail.id])
        except UntoldError:
            return False
        found = self.empty.pop(tail.id)
        if copy:
            self._ignore(tail, found, change)
        return not copy

    def keep_unless_copy(self, tail: Tail, path: Path, change: Change) -> None:
        """Note a file that was found at a path; one that is a copy is let go of and ignored.

        Raises:
            UntoldError: it may be a copy of what is to be read first; it was let go of, and is as unknown as before.
        """
        try:
            copy = self._is_copy(tail, path)
        except UntoldError:
            self.drop(tail)
            raise
        if copy:
            self._ignore(tail, path, change)
        else:
            self.keep(tail, change)

    def _ignore(self, tail: Tail, path: Path, change: Change) -> None:
        self.drop(tail)
        self.set_aside(tail.id, path, 0, change)

    def _is_copy(self, tail: Tail, path: Path) -> bool:
        """Does a file that was found at a path look like a copy of one that is held?

        Raises:
            UntoldError: it may be one of what is to be read first.
        """
        logs = logs_of(path)
        if is_copy(tail.fd, [each for each in self._held(logs) if each is not tail and each.id not in self.empty]):
            return True
        if any(lost.path in logs for lost in self.lost):
            raise UntoldError
        if any(self._waits(log) for log in logs if log == tail.path or self._at.get(log)):
            raise UntoldError
        return False

    def _held(self, logs: Iterable[Path]) -> Iterator[Tail]:
        """Yield what is held open of some logs."""
        for log in logs:
            yield from (self.tails[key] for key in self._at.get(log, ()) if key in self.tails)

    def _waits(self, log: Path) -> bool:
        """Does a path name a file that is not held yet?"""
        try:
            stat = log.stat()
        except OSError:
            return False
        known = self.known.get(file_id(stat))
        aside = known is not None and known.position.ignored and known.position.untouched_size == stat.st_size
        held = file_id(stat) in self.tails
        return S_ISREG(stat.st_mode) and stat.st_size > 0 and not (held or aside) and os.access(log, os.R_OK)

    def drop(self, tail: Tail) -> None:
        """Let go of a file, and go on knowing it."""
        self.empty.pop(tail.id, None)
        del self.tails[tail.id]
        tail.close()

    def keep(self, tail: Tail, change: Change) -> None:
        """Note how far a file was read."""
        self.remember(tail.id, Known(tail.path, tail.position, tail.left_at is not None), change)

    def remember(self, key: FileId, known: Known, change: Change) -> None:
        """Note what is known of a file."""
        self._leave(key)
        self._at[known.path].add(key)
        self.known[key] = change.files[key] = known
        change.forgotten.discard(key)

    def forget(self, key: FileId, change: Change) -> None:
        """A file is gone."""
        self._leave(key)
        self.known.pop(key, None)
        change.files.pop(key, None)
        change.forgotten.add(key)

    def _leave(self, key: FileId) -> None:
        if key in self.known:
            path = self.known[key].path
            self._at[path].discard(key)
            if not self._at[path]:
                del self._at[path]
