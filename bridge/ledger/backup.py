"""A copy of the ledger while the bridge works on it: SQLite's own online backup, checked, then named."""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bridge.ledger.schema import episodes, meta, runs


class BackupError(Exception):
    """There is no new backup, and what was there before is untouched; the message is a sentence."""


@dataclass(frozen=True)
class Backup:
    """A backup that was made and checked."""

    file: Path
    bytes: int
    version: int
    """The ledger's own: which bridges can use it."""
    episodes: int
    runs: int


def back_up(ledger: Path, file: Path, *, replace: bool = False) -> Backup:
    """Copy the ledger to `file`, readable by us alone; whoever looks sees a whole backup there, or none.

    The copy is of one moment. The bridge goes on meanwhile: it only finds that its log is moved into the ledger later.

    Raises:
        BackupError: the ledger cannot be read or is damaged, the copy cannot be written, or `file` is there already.
    """
    file = file.absolute()
    _refuse(ledger, file, replace=replace)
    unfinished = file.with_name(f".{file.name}.{os.getpid()}.unfinished")
    try:
        with _made(unfinished):
            counts = _copy(ledger, unfinished)
            _name(unfinished, file, replace=replace)
    except OSError as error:
        raise BackupError(f"{file} cannot be written: {error.strerror}") from None
    return Backup(file, file.stat().st_size, *counts)


def _refuse(ledger: Path, file: Path, *, replace: bool) -> None:
    if not ledger.is_file():
        raise BackupError(f"there is no ledger at {ledger}")
    if not file.exists():
        return
    if not replace:
        raise BackupError(f"{file} is there already: choose another name, or say --force")
    parts = [ledger.with_name(ledger.name + part) for part in ("", "-wal", "-shm", ".lock", ".reserve")]
    if not file.is_file() or any(part.exists() and part.samefile(file) for part in parts):
        raise BackupError(f"{file} is no backup, and is never replaced by one")


@contextlib.contextmanager
def _made(unfinished: Path) -> Iterator[None]:
    """Make a file for us alone, which is gone afterwards under this name, whatever happens."""
    os.close(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
    try:
        yield
    finally:
        for part in ("", "-journal"):
            unfinished.with_name(unfinished.name + part).unlink(missing_ok=True)


def _copy(ledger: Path, to: Path) -> tuple[int, int, int]:
    """Copy and check; return the ledger's version, and how many episodes and runs it holds."""
    with contextlib.ExitStack() as opened:
        try:
            source = opened.enter_context(closing(sqlite3.connect(f"file:{quote(str(ledger))}?mode=ro", uri=True)))
            _version(source)
        except sqlite3.Error as error:
            raise BackupError(f"{ledger} cannot be read: {error}") from None
        try:
            copy = opened.enter_context(closing(sqlite3.connect(f"file:{quote(str(to))}?mode=rw", uri=True)))
            copy.execute("PRAGMA synchronous=OFF")  # it is synced whole before it gets its name
            source.backup(copy)  # at once: in pieces, a writer in another process would make it begin anew for ever
            copy.execute("PRAGMA journal_mode=DELETE")
            found = [str(line) for (line,) in copy.execute("PRAGMA integrity_check(1)")]
            if found != ["ok"]:
                raise BackupError(f"{ledger} is damaged, and so would be its backup: {found[0]}")
            return _version(copy), _count(copy, episodes.name), _count(copy, runs.name)
        except sqlite3.Error as error:
            raise BackupError(f"the backup of {ledger} could not be made: {error}") from None


def _version(connection: sqlite3.Connection) -> int:
    row = connection.execute(f"SELECT value FROM {meta.name} WHERE key = 'version'").fetchone()  # noqa: S608 - our table
    if row is None:
        raise sqlite3.DatabaseError("it is no ledger of ours")
    return int(row[0])


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 - our table


def _name(unfinished: Path, file: Path, *, replace: bool) -> None:
    """Give the copy its name once it is on the disk; what came meanwhile is replaced only where that was said."""
    _sync(unfinished)
    if replace:
        unfinished.rename(file)
    else:
        try:
            file.hardlink_to(unfinished)
        except FileExistsError:
            raise BackupError(f"{file} is there already: choose another name, or say --force") from None
    _sync(file.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
