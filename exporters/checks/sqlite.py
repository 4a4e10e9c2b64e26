"""A SQLite file."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Literal
from urllib.parse import quote

import psutil
from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckResult, healthy, unhealthy

_NO_SHM = ("SQLITE_READONLY", "SQLITE_CANTOPEN")
_INTEGRITY = {"quick": "PRAGMA quick_check(3)", "full": "PRAGMA integrity_check(3)"}


class Sqlite(Check):
    """That a SQLite file can be read: it is opened read-only and its tables are counted, which is the value.

    If it is locked, the message says by which process.

        - {name: database, kind: sqlite, path: /srv/app/app.db, critical: true}
        - {name: database_integrity, kind: sqlite, path: /srv/app/app.db, integrity: quick, interval: 6h, timeout: 5m}
    """

    path: Path
    integrity: Literal["none", "quick", "full"] = Field(default="none", description="SQLite's own check of the file.")
    min_tables: int = Field(default=0, ge=0)

    def run(self, context: CheckContext) -> CheckResult:
        if not self.path.exists():
            return unhealthy(f"{self.path} does not exist")
        try:
            tables, found = self._look(context)
        except sqlite3.Error as error:
            return unhealthy(f"{self.path}: {error}{self._holders() if 'locked' in str(error) else ''}")
        if found:
            return unhealthy(f"{self.path} is damaged: {'; '.join(found)}", tables, "tables", tables=tables)
        if tables < self.min_tables:
            return unhealthy(f"{self.path} has {tables} tables, fewer than {self.min_tables}", tables, "tables")
        return healthy(f"{self.path} has {tables} tables", tables, "tables", tables=tables)

    def _look(self, context: CheckContext) -> tuple[int, list[str]]:
        """Return the number of tables, and what SQLite finds wrong."""
        uri = f"file:{quote(str(self.path.absolute()))}?mode=ro"
        try:
            return self._asked(uri, context)
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith(_NO_SHM) or not self._is_at_rest():
                raise
            return self._asked(f"{uri}&immutable=1", context)

    def _asked(self, uri: str, context: CheckContext) -> tuple[int, list[str]]:
        with closing(sqlite3.connect(uri, uri=True, timeout=max(0.0, context.remaining() - 0.2))) as database:
            tables: int = database.execute("SELECT count(*) FROM sqlite_master WHERE type = 'table'").fetchone()[0]
            return tables, self._problems(database)

    def _is_at_rest(self) -> bool:
        """Does nobody have it open in WAL mode, in a folder where we may not make the -shm that reading it needs?"""
        may_write = os.access(self.path.parent, os.W_OK, effective_ids=True)
        return not may_write and not Path(f"{self.path}-wal").exists()

    def _problems(self, database: sqlite3.Connection) -> list[str]:
        if self.integrity == "none":
            return []
        said = [row[0] for row in database.execute(_INTEGRITY[self.integrity])]
        return [] if said == ["ok"] else said

    def _holders(self) -> str:
        """Name the processes that hold locks on the file, as far as Linux shows them."""
        names = []
        files = [file for file in (self.path, Path(f"{self.path}-shm")) if file.exists()]
        for pid in _lockers({str(file.stat().st_ino) for file in files}):
            try:
                names.append(f"{psutil.Process(pid).name()} ({pid})")
            except psutil.Error:
                names.append(str(pid))
        return f" by {', '.join(names)}" if names else ""


def _lockers(inodes: set[str]) -> list[int]:
    """Return who holds a lock on one of these.

    A line of /proc/locks: `1: POSIX  ADVISORY  WRITE 4242 fd:01:13370 0 EOF`.
    """
    found = set()
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        words = line.split()
        if len(words) > 5 and words[1] != "->" and words[5].rpartition(":")[2] in inodes:  # noqa: PLR2004
            found.add(int(words[4]))
    return sorted(found)
