"""The exporter's memory: positions and counters in one SQLite file, written in one transaction.

One connection writes and checkpoints (SQLite before 3.51.3 can corrupt a database that several checkpoint), so whatever
ends this process, position and counters are of the same moment.
"""

import json
import os
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from exporters.logs.fingerprint import Fingerprint
from exporters.logs.position import FileId, Known, Position

_SCHEMA = """
CREATE TABLE IF NOT EXISTS sources (source TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS files (
    source TEXT, device TEXT, inode TEXT, path BLOB, at INTEGER, head_end INTEGER, head BLOB,
    tail_start INTEGER, tail_end INTEGER, tail BLOB, counted TEXT, cutting INTEGER, ignored INTEGER, has_left INTEGER,
    PRIMARY KEY (source, device, inode)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS cursors (
    source TEXT, stream TEXT, cursor TEXT, PRIMARY KEY (source, stream)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS lines (
    source TEXT, pattern TEXT, count INTEGER NOT NULL, PRIMARY KEY (source, pattern)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS totals (
    source TEXT, name TEXT, count INTEGER NOT NULL, PRIMARY KEY (source, name)
) WITHOUT ROWID;
"""
_ADD = "INSERT INTO {0} VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET count = count + excluded.count"


@dataclass
class Change:
    """What one look at a source changes: written whole, or not at all."""

    begun: bool = False
    """The source has been looked at, so what comes later is read from its beginning."""
    files: dict[FileId, Known] = field(default_factory=dict)
    forgotten: set[FileId] = field(default_factory=set)
    cursors: dict[str, str | None] = field(default_factory=dict)
    """How far each stream of a log behind a program was read; None: it is gone."""
    lines: Counter[str] = field(default_factory=Counter)
    """Matching lines by pattern id."""
    totals: Counter[str] = field(default_factory=Counter)
    """`read_bytes`, `rotations`, `truncations`, `errors`, `cut_lines`."""

    def add(self, later: "Change") -> None:
        """Take in a change that follows this one."""
        self.begun |= later.begun
        for key in later.forgotten:
            self.files.pop(key, None)
        self.forgotten = (self.forgotten - later.files.keys()) | later.forgotten
        self.files |= later.files
        self.cursors |= later.cursors
        self.lines.update(later.lines)
        self.totals.update(later.totals)

    def __bool__(self) -> bool:
        changed = self.begun or self.files or self.forgotten or self.cursors or self.lines
        return bool(changed or self.totals.total())


@dataclass(frozen=True)
class Saved:
    """What is known of a source."""

    begun: bool
    """Has it been looked at before?"""
    files: Mapping[FileId, Known]
    lines: Mapping[str, int]
    totals: Mapping[str, int]
    cursors: Mapping[str, str] = field(default_factory=dict)


class Store:
    """The state database; used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Open it, and make it where there is none.

        Raises:
            OSError: its folder cannot be made.
            sqlite3.Error: it cannot be opened, or is no database.
        """
        if not path.parent.exists():
            path.parent.mkdir(parents=True)
            path.parent.chmod(0o750)  # whatever the umask
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")  # two exporters would count every line twice
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")  # safe against kill -9; a power cut may undo the last moments
        self._db.executescript(_SCHEMA)
        self.load("")  # another's tables are found out here

    def close(self) -> None:
        """Close it."""
        self._db.close()

    def load(self, source: str) -> Saved:
        """Return what is known of a source."""
        ask = self._db.execute
        return Saved(
            ask("SELECT 1 FROM sources WHERE source = ?", [source]).fetchone() is not None,
            dict(self._files(source)),
            dict(ask("SELECT pattern, count FROM lines WHERE source = ?", [source]).fetchall()),
            dict(ask("SELECT name, count FROM totals WHERE source = ?", [source]).fetchall()),
            dict(ask("SELECT stream, cursor FROM cursors WHERE source = ?", [source]).fetchall()),
        )

    def commit(self, source: str, change: Change) -> None:
        """Write a change.

        Raises:
            sqlite3.Error: nothing of it was written.
        """
        with self._db:
            write = self._db.execute
            write("BEGIN IMMEDIATE")
            if change.begun:
                write("INSERT OR IGNORE INTO sources VALUES (?)", [source])
            self._db.executemany(
                "DELETE FROM files WHERE source = ? AND device = ? AND inode = ?",
                [(source, str(device), str(inode)) for device, inode in change.forgotten],
            )
            self._db.executemany(
                "INSERT OR REPLACE INTO files VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [_row(source, key, known) for key, known in change.files.items()],
            )
            for stream, cursor in change.cursors.items():
                if cursor is None:
                    write("DELETE FROM cursors WHERE source = ? AND stream = ?", [source, stream])
                else:
                    write("INSERT OR REPLACE INTO cursors VALUES (?, ?, ?)", [source, stream, cursor])
            for table, counts in (("lines", change.lines), ("totals", change.totals)):
                self._db.executemany(_ADD.format(table), [(source, name, n) for name, n in counts.items()])

    def _files(self, source: str) -> Iterator[tuple[FileId, Known]]:
        for row in self._db.execute("SELECT * FROM files WHERE source = ?", [source]):
            _, device, inode, path, at, head_end, head, tail_start, tail_end, tail, counted, cutting, ignored, left = (
                row
            )
            position = Position(
                at,
                Fingerprint(0, head_end, head),
                Fingerprint(tail_start, tail_end, tail),
                frozenset(json.loads(counted)),
                bool(cutting),
                bool(ignored),
            )
            yield (int(device), int(inode)), Known(Path(os.fsdecode(path)), position, bool(left))


def _row(source: str, key: FileId, known: Known) -> tuple[object, ...]:
    at = known.position
    file = (source, str(key[0]), str(key[1]), os.fsencode(known.path), at.offset)
    prints = (at.head.end, at.head.digest, at.tail.start, at.tail.end, at.tail.digest)
    return (*file, *prints, json.dumps(sorted(at.counted)), at.cutting, at.ignored, known.left)
