"""One log source: the files that its path names, through every way in which logs are rotated.

What is held open is read to its end wherever it moves to. What was rotated while nobody looked is found again by its
inode or, after copytruncate, by its content.
"""

import os
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from exporters.logs.copies import UntoldError
from exporters.logs.engine import Engine
from exporters.logs.files import NotAFileError, beside, generations, logs_of, members, without_links
from exporters.logs.generations import Generations
from exporters.logs.held import Files
from exporters.logs.position import FileId, Known, Position
from exporters.logs.recognition import Absent, found_again, renumbered, size_of
from exporters.logs.settings import LogSource
from exporters.logs.start import first_position
from exporters.logs.store import Change, Saved
from exporters.logs.tail import ReplacedError, Tail

QUIET_SECONDS = 1.0
"""After which an unfinished last line is tried."""
_HOLD_SECONDS = 3600.0
"""How long a file that was rotated is held for a writer that has not noticed."""
_HOLD_DELETED_SECONDS = 30.0
"""The same for one that was deleted: as long as it is held, its space is not free."""


class Source:
    """Follows the files of one source. Each look fills a `Change`, which the caller commits."""

    def __init__(self, settings: LogSource, engine: Engine, ids: list[str], saved: Saved) -> None:
        self._settings, self._engine, self._ids = settings, engine, ids
        self._path = settings.path or ""
        self._files = Files(saved.files)
        exclude = [*settings.exclude, *map(without_links, settings.exclude)]
        self._generations = Generations(self._files, exclude)
        self._begun = saved.begun
        self._unresolved = set(self._files.known)
        """Files that were known when we began, and of which it cannot yet be told where they are now."""
        self._first = True

    def close(self) -> None:
        """Let go of every file."""
        self._files.close()

    @property
    def behind(self) -> int:
        """Return the bytes that are there and not yet read."""
        return sum(tail.behind for tail in self._files.tails.values())

    @property
    def folders(self) -> set[Path]:
        """Return where something may happen that concerns us."""
        return {Path(self._path).parent} | {tail.path.parent for tail in self._files.tails.values()}

    def look(self, now: float, change: Change, samples: dict[str, list[bytes]], *, flush: bool = False) -> bool:
        """Read what is new, about a batch of each file; return whether there is more to read at once.

        `now` is on the monotonic clock. With `flush`, unfinished last lines are not waited for.
        """
        here = self._members(change)
        self._resume(here, now, change)
        self._follow(here, now, change)
        self._read_all(now, change, samples, flush=flush)
        if here is not None:
            # Known ones first: what is new is compared with them.
            for key in sorted(
                here.keys() - self._files.tails.keys(), key=lambda key: (key not in self._files.known, here[key])
            ):
                self._adopt(key, here[key], now, change)
            if not self._begun:
                self._set_aside_older(change)
            elif self._first:
                for path in here.values():
                    self._generations.seek(path)
            if not here:  # nothing new took its place yet, so nothing else would bring us to look
                self._generations.seek(Path(self._path))
            change.begun = not self._begun
            self._begun, self._first = True, False
        self._read_all(now, change, samples, flush=flush)
        self._generations.recover(now, change)
        self._generations.adopt(now, change)  # after all of that: a copy is known by what was read
        self._let_go(now, change)
        return any(tail.more for tail in self._files.tails.values())

    def _members(self, change: Change) -> dict[FileId, Path] | None:
        """Return the files that the path names now; None if that cannot be told."""
        try:
            return members(self._path, self._settings.exclude)
        except NotAFileError:
            change.totals["errors"] += 1
            return {}
        except OSError:
            change.totals["errors"] += 1
            return None

    def _resume(self, here: dict[FileId, Path] | None, now: float, change: Change) -> None:
        """Find again what moved while nobody looked, and what is left of files that are gone or were emptied."""
        if here is None:
            return
        self._unresolved &= self._files.known.keys()
        for old, new in list(renumbered(self._unresolved, self._files.known)):
            self._unresolved ^= {old, new}
            self._files.remember(new, self._files.known[old], change)
            self._files.forget(old, change)
        listings = self._listings(change)
        for key in list(self._unresolved):
            known = self._files.known[key]
            names = listings[known.path.parent]
            if names is None and key not in here:
                continue
            found = self._sought(key, here.get(key), change, (names or {}).get(key))
            if found is Absent.UNTOLD:
                continue
            self._unresolved.discard(key)
            if found is Absent.GONE:
                change.totals["truncations"] += here.get(key) == known.path and known.position.offset > 0
                self._files.forget(key, change)
                self._generations.lose(known)
            else:
                self._hold(key, found, known, now, change)

    def _listings(self, change: Change) -> dict[Path, dict[FileId, Path] | None]:
        """Return what lies in each folder of the files of which it is not yet told where they are; None: unreadable."""
        listings: dict[Path, dict[FileId, Path] | None] = {}
        for folder in {self._files.known[key].path.parent for key in self._unresolved}:
            try:
                listings[folder] = {key: path for key, (path, _) in beside(folder).items()}
            except OSError:
                change.totals["errors"] += 1
                listings[folder] = None
        return listings

    def _sought(self, key: FileId, path: Path | None, change: Change, name: Path | None = None) -> Path | Absent:
        """Return where a known file is; `path` is where it is a log now, `name` another name that it has."""
        try:
            return found_again(key, self._files.known[key], path, name)
        except OSError:
            change.totals["errors"] += 1
            return Absent.UNTOLD

    def _hold(self, key: FileId, path: Path, known: Known, now: float, change: Change) -> None:
        """Go on with a file that is known, wherever it is now."""
        tail = None if known.position.ignored else self._files.open(key, path, known.position, change)
        if tail is None:
            return
        tail.path, tail.left_at = known.path, None if path == known.path else now
        if path != known.path and not known.left:
            change.totals["rotations"] += 1
        self._files.keep(tail, change)

    def _follow(self, here: dict[FileId, Path] | None, now: float, change: Change) -> None:
        """See which of the files that are held have lost their path, or got another one."""
        if here is None:
            return
        for key, tail in self._files.tails.items():
            path = here.get(key)
            if path is not None and path != tail.path and tail.path not in logs_of(path):
                tail.path, tail.left_at = path, None
                change.totals["rotations"] += 1
            elif path != tail.path and tail.left_at is None:
                tail.left_at = now
                change.totals["rotations"] += 1
            elif path == tail.path and tail.left_at is not None:
                tail.left_at = None
            else:
                continue
            self._files.keep(tail, change)

    def _adopt(self, key: FileId, path: Path, now: float, change: Change) -> None:
        """Begin to read a file that has come to be named by the path."""
        known = self._files.known.get(key)
        found = path if known is None else self._sought(key, path, change)
        if found is Absent.UNTOLD:
            return
        if found is Absent.GONE:
            self._files.forget(key, change)  # another file has got the inode of one that is gone
            if known is not None:
                self._generations.lose(known)
            known = None
        if known is None and not size_of(path) and self._files.are_held(logs_of(path)):
            return  # nothing yet to tell a copy by
        if known is not None and known.position.ignored and size_of(path) == known.position.untouched_size:
            return
        if not self._begun:
            self._adopt_first(key, path, change)
        elif known is not None and not known.position.ignored:
            self._hold(key, path, known, now, change)
        else:
            self._adopt_later(key, path, known, change)

    def _adopt_first(self, key: FileId, path: Path, change: Change) -> None:
        tail = self._files.open(key, path, Position(), change)
        if tail is None:
            if self._settings.start_at != "beginning":  # what is in it by now is as little ours as in the others
                self._files.remember(key, Known(path, Position(size_of(path))), change)
            return
        tail.position = first_position(tail.fd, self._settings.start_at, self._engine, self._ids)
        self._files.keep(tail, change)

    def _adopt_later(self, key: FileId, path: Path, known: Known | None, change: Change) -> None:
        start = replace(known.position, ignored=False) if known and known.position.offset else Position()
        tail = self._files.open(key, path, start, change)
        if tail is None:
            return
        with suppress(UntoldError):  # then it is asked again at the next look
            self._files.keep_unless_copy(tail, path, change)

    def _replaced(self, tail: Tail, change: Change) -> None:
        """Begin anew in a file that was truncated."""
        change.totals["truncations"] += 1
        self._generations.lose(Known(tail.path, tail.position))
        tail.position, tail.more = Position(), True
        self._files.keep(tail, change)

    def _read_all(self, now: float, change: Change, samples: dict[str, list[bytes]], *, flush: bool) -> None:
        for tail in list(self._files.tails.values()):
            try:
                self._read(tail, now, change, samples, flush=flush)
            except ReplacedError:
                self._replaced(tail, change)
            except OSError:
                change.totals["errors"] += 1

    def _read(self, tail: Tail, now: float, change: Change, samples: dict[str, list[bytes]], *, flush: bool) -> None:
        if tail.is_ours or not self._files.is_to_be_read(tail, change):
            return
        changed = tail.changed(now)
        settle = not tail.settled and (flush or now - tail.changed_at >= QUIET_SECONDS)
        if not (changed or tail.more or settle):
            return
        unread = tail.is_unread
        reading = tail.read(self._engine, self._ids, settle=settle)
        tail.more, tail.settled = reading.more, settle and not reading.more
        if reading.position != tail.position:
            tail.position = reading.position
            self._files.keep(tail, change)
        change.lines.update(reading.lines)
        change.totals["read_bytes"] += reading.size
        change.totals["cut_lines"] += reading.cut
        for pattern, lines in reading.samples.items():
            samples.setdefault(pattern, []).extend(lines)
        if unread:  # it may have been filled and emptied before, and we would not know
            self._generations.seek(tail.path)

    def _let_go(self, now: float, change: Change) -> None:
        for key, tail in list(self._files.tails.items()):
            if tail.left_at is None or tail.more or not tail.settled:
                continue
            quiet = now - max(tail.left_at, tail.changed_at)
            deleted = os.fstat(tail.fd).st_nlink == 0
            if quiet >= (_HOLD_DELETED_SECONDS if deleted else _HOLD_SECONDS):
                self._files.drop(tail)
                if deleted:
                    self._files.forget(key, change)

    def _set_aside_older(self, change: Change) -> None:
        """What is there before we begin and is no log by itself is none of ours, then or later."""
        for key, (path, _) in generations(self._path).items():
            if key not in self._files.known and key not in self._files.tails:
                self._files.set_aside(key, path, size_of(path), change)
