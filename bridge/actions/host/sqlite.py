"""SQLite files inside a root, opened so that the step's time and the bridge's end stop what is under way."""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

from bridge.actions.base import StepContext, StepError, StepRefusedError
from bridge.actions.host.folders import opened_file, place

_STEPS_BETWEEN_LOOKS = 10_000
HEADER = b"SQLite format 3\0"
"""What a SQLite file begins with."""


class DamagedError(StepError):
    """SQLite says that the file is malformed."""


@contextmanager
def database(file: Path, context: StepContext, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a database that exists, inside an allowed root.

    SQLite opens files by their names: that it has opened the one that was looked at is checked before anything is done.

    Raises:
        StepRefusedError: it is outside the roots, or a symlink.
        StepError: it is missing, no database, locked, damaged; or the step's time is up.
    """
    there = place(file, context.allow)
    with opened_file(there) as descriptor:
        before = os.fstat(descriptor)
        if before.st_size and os.pread(descriptor, len(HEADER), 0) != HEADER:
            raise StepError(f"{file} is no SQLite database")
    uri = f"file:{quote(str(file))}?mode={'ro' if read_only else 'rw'}"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=0, check_same_thread=False)
    except sqlite3.Error as error:
        raise StepError(f"{file} cannot be opened: {error}") from None
    with closing(connection):
        connection.execute(f"PRAGMA busy_timeout={int(context.remaining() * 1000)}")
        connection.set_progress_handler(lambda: _is_over(context), _STEPS_BETWEEN_LOOKS)
        if not _is_open(before):
            raise StepRefusedError(f"{file} was switched for another file meanwhile")
        try:
            yield connection
        except sqlite3.Error as error:
            context.pause(0)
            code = getattr(error, "sqlite_errorname", "")
            kind = DamagedError if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) else StepError
            raise kind(_told(file, error)) from None


def _is_open(wanted: os.stat_result) -> bool:
    """Tell whether we have a file open, whatever its name leads to by now."""
    for descriptor in Path("/proc/self/fd").iterdir():
        try:
            info = descriptor.stat()
        except OSError:
            continue  # closed meanwhile
        if (info.st_dev, info.st_ino) == (wanted.st_dev, wanted.st_ino):
            return True
    return False


def _is_over(context: StepContext) -> bool:
    return context.stop.is_set() or time.monotonic() > context.deadline


def _told(file: Path, error: sqlite3.Error) -> str:
    if getattr(error, "sqlite_errorname", "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return f"{file} is locked by somebody"
    return f"{file}: {error}"


def problems(connection: sqlite3.Connection, most: int = 20) -> list[str]:
    """Ask SQLite whether the database is whole; an empty list says that it is."""
    try:
        found = [str(line) for (line,) in connection.execute(f"PRAGMA integrity_check({most:d})")]
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError):
            raise
        return [str(error)]
    return [] if found == ["ok"] else found
