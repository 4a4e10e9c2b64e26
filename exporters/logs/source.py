"""One log source: the files that its path names, through every way in which logs are rotated.

What is held open is read to its end wherever it moves to. What was rotated while nobody looked is found again by its
inode or, after copytruncate, by its content.
"""

import os
from dataclasses import replace
from pathlib import Path

from exporters.logs.copies import copies_of, is_copy
from exporters.logs.engine import Engine
from exporters.logs.files import NotAFileError, generations, is_excluded, is_relative, members, relatives, without_links
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
        self._excluded = [*settings.exclude, *map(without_links, settings.exclude)]
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
                    self._adopt_generations(path, now, change)
            if not here:  # nothing new took its place yet, so nothing else would bring us to look
                self._adopt_generations(Path(self._path), now, change)
            change.begun = not self._begun
            self._begun, self._first = True, False
        self._read_all(now, change, samples, flush=flush)
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
        lost = []
        for key in list(self._unresolved):
            known, found = self._files.known[key], self._sought(key, here.get(key), change)
            if found is Absent.UNTOLD:
                continue
            self._unresolved.discard(key)
            if found is Absent.GONE:
                change.totals["truncations"] += here.get(key) == known.path and known.position.offset > 0
                self._files.forget(key, change)
                lost.append(known)
            elif key not in here:
                self._hold(key, found, known, now, change)
        for known in lost:
            if not known.position.ignored:
                self._recover(known.path, known.position, now, change)

    def _sought(self, key: FileId, path: Path | None, change: Change) -> Path | Absent:
        """Return where a known file is."""
        try:
            return found_again(key, self._files.known[key], path)
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
            if path is not None and path != tail.path and not is_relative(path, tail.path):
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
            known = None
        if (
            known is None
            and not size_of(path)
            and any(is_relative(path, tail.path) for tail in self._files.tails.values())
        ):
            return  # nothing yet to tell a copy by
        if known is not None and known.position.ignored and size_of(path) == known.position.untouched_size:
            return
        if not self._begun:
            self._adopt_first(key, path, change)
        elif known is not None and not known.position.ignored:
            self._hold(key, path, known, now, change)
        else:
            self._adopt_later(key, path, known, now, change)

    def _adopt_first(self, key: FileId, path: Path, change: Change) -> None:
        tail = self._files.open(key, path, Position(), change)
        if tail is None:
            if self._settings.start_at != "beginning":  # what is in it by now is as little ours as in the others
                self._files.remember(key, Known(path, Position(size_of(path))), change)
            return
        tail.position = first_position(tail.fd, self._settings.start_at, self._engine, self._ids)
        self._files.keep(tail, change)

    def _adopt_later(self, key: FileId, path: Path, known: Known | None, now: float, change: Change) -> None:
        start = replace(known.position, ignored=False) if known and known.position.offset else Position()
        tail = self._files.open(key, path, start, change)
        if tail is None:
            return
        if is_copy(path, tail.fd, self._files.tails.values()):
            self._files.drop(tail)
            self._files.set_aside(tail.id, path, 0, change)
            return
        self._files.keep(tail, change)
        self._adopt_generations(tail.path, now, change)

    def _adopt_generations(self, path: Path, now: float, change: Change) -> None:
        """Read what came and went at a path between two looks: unknown files beside it, but no copies."""
        try:
            found = relatives(path)
        except OSError:
            change.totals["errors"] += 1
            return
        for key, (beside, _) in found.items():
            if key in self._files.known or key in self._files.tails or is_excluded(beside, self._excluded):
                continue
            tail = self._files.open(key, beside, Position(), change)
            if tail is None:
                continue
            if not os.fstat(tail.fd).st_size:
                self._files.empty[key] = beside
            elif is_copy(beside, tail.fd, self._files.tails.values()):
                self._files.drop(tail)
                self._files.set_aside(key, beside, 0, change)
                continue
            tail.path, tail.left_at = path, now
            self._files.keep(tail, change)

    def _replaced(self, tail: Tail, now: float, change: Change) -> None:
        """Begin anew in a file that was truncated."""
        change.totals["truncations"] += 1
        self._recover(tail.path, tail.position, now, change)
        tail.position, tail.more = Position(), True
        self._files.keep(tail, change)
        self._adopt_generations(tail.path, now, change)

    def _recover(self, path: Path, position: Position, now: float, change: Change) -> None:
        """Find what was not yet read of a file that is gone or was emptied: it may stand in a copy."""
        try:
            found = copies_of(path, position, self._files.known)
        except OSError:
            change.totals["errors"] += 1
            return
        for number, (key, beside) in enumerate(found):
            copy = self._files.open(key, beside, position, change) if number == 0 else None
            if copy is not None and position.holds(copy.fd):
                copy.path, copy.left_at = path, now
                self._files.keep(copy, change)
                continue
            if copy is not None:
                self._files.drop(copy)
            self._files.set_aside(key, beside, 0, change)

    def _read_all(self, now: float, change: Change, samples: dict[str, list[bytes]], *, flush: bool) -> None:
        for tail in list(self._files.tails.values()):
            try:
                self._read(tail, now, change, samples, flush=flush)
            except ReplacedError:
                self._replaced(tail, now, change)
            except OSError:
                change.totals["errors"] += 1

    def _read(self, tail: Tail, now: float, change: Change, samples: dict[str, list[bytes]], *, flush: bool) -> None:
        if tail.is_ours or not self._files.is_to_be_read(tail, change):
            return
        changed = tail.changed(now)
        settle = not tail.settled and (flush or now - tail.changed_at >= QUIET_SECONDS)
        if not (changed or tail.more or settle):
            return
        if changed and not tail.position.head.end:  # it may have been filled and emptied, and we would not know
            self._adopt_generations(tail.path, now, change)
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
