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
_ROLLBACK, _VERSIONS_AT = b"\1\1", 18
"""How a file says that it has no write-ahead log (https://www.sqlite.org/fileformat2.html, 1.3.3)."""


class DamagedError(StepError):
    """SQLite says that the file is malformed."""


def looked_at(file: Path, context: StepContext) -> os.stat_result:
    """Look at a database without opening it as one.

    Raises:
        StepRefusedError: it is outside the roots, or a symlink.
        StepError: it is missing, or no database.
    """
    with opened_file(place(file, context.allow)) as descriptor:
        info = os.fstat(descriptor)
        if info.st_size and os.pread(descriptor, len(HEADER), 0) != HEADER:
            raise StepError(f"{file} is no SQLite database")
    return info


@contextmanager
def database(file: Path, context: StepContext, *, read_only: bool = False) -> Iterator[sqlite3.Connection]:
    """Open a database that exists, inside an allowed root.

    SQLite opens files by their names: that it has opened the one that was looked at is checked before anything is done.

    Raises:
        StepRefusedError: it is outside the roots, or a symlink.
        StepError: it is missing, no database, locked, damaged; or the step's time is up.
    """
    before = looked_at(file, context)
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


@contextmanager
def new_database(name: str, folder: int) -> Iterator[sqlite3.Connection]:
    """Make a database under a name in an open folder, for us alone, and let it be filled; it has no journal on disk.

    SQLite turns any way through a descriptor into a path again, where a symlink may have come in between: it is told to
    make nothing, so it opens the file that we have made, or is refused before it writes.

    Raises:
        StepRefusedError: the folder was switched for another one.
        OSError: the file is there, or cannot be made.
        sqlite3.Error: it cannot be filled.
    """
    new = os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder)
    made = os.fstat(new)
    os.close(new)
    with _held(name, folder, made, "mode=rw") as connection:
        connection.execute("PRAGMA journal_mode=MEMORY")
        yield connection
    whole = os.open(name, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        if os.pread(whole, len(HEADER), 0) == HEADER:  # a copy of a database in WAL mode says that it has a log
            os.pwrite(whole, _ROLLBACK, _VERSIONS_AT)
        os.fsync(whole)
    finally:
        os.close(whole)


@contextmanager
def made_database(name: str, folder: int) -> Iterator[sqlite3.Connection]:
    """Open a database in an open folder that nobody else has open, for reading; nothing beside it is looked at.

    Raises:
        StepRefusedError: the folder was switched for another one.
        OSError: it is not there.
    """
    info = os.stat(name, dir_fd=folder, follow_symlinks=False)
    with _held(name, folder, info, "mode=ro&immutable=1") as connection:
        yield connection


@contextmanager
def _held(name: str, folder: int, info: os.stat_result, how: str) -> Iterator[sqlite3.Connection]:
    uri = f"file:/proc/self/fd/{folder}/{quote(name)}?{how}"
    try:
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
        raise StepRefusedError(f"the folder of '{name}' was switched for another one meanwhile") from None
    with closing(connection):
        if not _is_open(info):
            raise StepRefusedError(f"the folder of '{name}' was switched for another one meanwhile")
        yield connection


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
