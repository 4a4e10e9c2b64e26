"""What can still be read of a damaged SQLite database, in a new one beside: SQLite's own `.recover`, else its `.dump`.

`.recover` reads page by page, but is not part of every build (Debian 12 leaves out what it needs); `.dump` reads rows
from both ends up to the damage. Their
output is not given to the shell of SQLite again, which would run lines that begin with a dot: a damaged schema may hold
any text. It goes through the library, statement by statement, with nothing but this one database in reach.
"""

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from bridge.actions.base import StepContext, StepError
from bridge.actions.host.children import BASE_ENV, run_program
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import made_database, new_database, problems

_WAYS = (".recover", ".dump")
_PRAGMAS = frozenset({"application_id", "encoding", "foreign_keys", "page_size", "user_version", "writable_schema"})
_NEEDED = 3
"""Times the size of the database: the statements, and the new one with its journal."""
_LONGEST = 64 * 1024**2
_STEPS_BETWEEN_LOOKS = 10_000


@dataclass(frozen=True)
class Recovered:
    """What was recovered."""

    tables: int
    rows: int
    refused: int
    """Statements that the new database did not take."""

    def __str__(self) -> str:
        refused = f"; {self.refused} pieces did not fit" if self.refused else ""
        return f"{self.tables} tables with {self.rows} rows{refused}"


def recover(damaged: Path, folder: int, name: str, context: StepContext) -> Recovered:
    """Make the file `name` in an open folder with what can be read of a database; what is there is never overwritten.

    Raises:
        StepError: there is no `sqlite3`, no room, nothing that can be read; or the step's time is up.
    """
    _room(damaged, folder)
    unfinished, statements = f".{name}.unfinished", f".{name}.sql"
    try:
        done = None
        for way in _WAYS:
            with _made(statements, folder) as file:
                _dump(damaged, way, file, context)
                file.seek(0)
                done = _filled(unfinished, folder, file, context)
            os.unlink(statements, dir_fd=folder)
            if done is not None:
                break
            os.unlink(unfinished, dir_fd=folder)
        if done is None:
            raise StepError("nothing of it can be read")
        os.link(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder, follow_symlinks=False)
        os.fsync(folder)
    except (OSError, sqlite3.Error) as error:
        context.pause(0)
        raise StepError(f"what can be read could not be written: {error}") from None
    finally:
        for left in (unfinished, statements):
            with suppress(FileNotFoundError):
                os.unlink(left, dir_fd=folder)
    return done


def _room(damaged: Path, folder: int) -> None:
    disk, needed = os.fstatvfs(folder), _NEEDED * damaged.stat().st_size
    if disk.f_bavail * disk.f_frsize < needed:
        raise StepError(f"there is no room to recover it: {spell_size(needed)} are needed")


def _made(name: str, folder: int) -> IO[bytes]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    return os.fdopen(os.open(name, flags, 0o600, dir_fd=folder), "w+b")


def _dump(damaged: Path, way: str, file: IO[bytes], context: StepContext) -> None:
    program = shutil.which("sqlite3", path=BASE_ENV["PATH"])
    if program is None:
        raise StepError("there is no sqlite3 on this machine (apt-get install sqlite3)")
    argv = [program, "-init", "/dev/null", "-batch", "-readonly", str(damaged), way]
    code = run_program(argv, context, output=file, with_errors=False)
    context.output.say(f"sqlite3 {way} ended with exit code {code}")


def _filled(name: str, folder: int, statements: IO[bytes], context: StepContext) -> Recovered | None:
    """Run the statements in a new database; None where nothing comes of them."""
    refused = 0
    with new_database(name, folder) as copy:
        copy.set_progress_handler(lambda: context.stop.is_set() or _late(context), _STEPS_BETWEEN_LOOKS)
        copy.execute("PRAGMA synchronous=OFF")
        copy.set_authorizer(_only_here)
        for statement in _statements(statements):
            context.pause(0)
            if statement.startswith("ROLLBACK"):
                continue  # how `.dump` ends where it met damage: what it read before is what is wanted
            try:
                copy.execute(statement)
            except sqlite3.Error:
                refused += 1
        if copy.in_transaction:
            copy.execute("COMMIT")
    with made_database(name, folder) as copy:
        names = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        rows = sum(_count(copy, name) for name in names)
        if not rows or problems(copy):
            return None
    return Recovered(len(names), rows, refused)


def _count(copy: sqlite3.Connection, table: str) -> int:
    quoted = table.replace('"', '""')
    (count,) = copy.execute(f'SELECT count(*) FROM "{quoted}"').fetchone()  # noqa: S608 - quoted as SQL has it
    return int(count)


def _late(context: StepContext) -> bool:
    try:
        context.remaining()
    except StepError:
        return True
    return False


def _only_here(action: int, what: str | None, *_: object) -> int:
    """Let nothing lead out of the database: no other file, no journal on the disk, no library."""
    if action in (sqlite3.SQLITE_ATTACH, sqlite3.SQLITE_DETACH):
        return sqlite3.SQLITE_DENY
    if action == sqlite3.SQLITE_PRAGMA and str(what).lower() not in _PRAGMAS:
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _statements(file: IO[bytes]) -> Iterator[str]:
    """Yield whole statements; what the shell would take for commands of its own is left out."""
    pending: list[bytes] = []
    size = 0
    for line in file:
        if not pending and line.startswith(b"."):
            continue
        pending.append(line)
        size += len(line)
        if size > _LONGEST:
            raise StepError("it holds a statement that is too long")
        if not line.rstrip().endswith(b";"):
            continue
        text = b"".join(pending).decode("utf-8", "surrogateescape")
        if sqlite3.complete_statement(text):
            yield text
            pending, size = [], 0
