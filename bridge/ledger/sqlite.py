"""What is SQLite's own about the ledger: its file, its connections, its pragmas, what is known of its versions."""

import contextlib
import os
import sqlite3
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import StaticPool

from bridge.ledger.prepared import carry_out

_SAFE_VERSION = (3, 51, 3)
_FULL = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_SHMSIZE")
"""How SQLite says that there is no room: on the disk, in the user's quota, for the index of its log."""
_WRITER = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "foreign_keys=ON",
    "busy_timeout=5000",
    "temp_store=MEMORY",  # a temporary file would need room on a disk that may be full
    "wal_autocheckpoint=2000",  # pages of 4 KiB
    "journal_size_limit=16777216",  # what the log is cut to after a burst
)


def file_of(url: str) -> Path:
    """Return the file of a database URL.

    Raises:
        ValueError: it names none.
    """
    path = make_url(url).database
    if not url.startswith("sqlite") or not path:
        raise ValueError(f"{make_url(url).render_as_string()} cannot be used: only SQLite files so far")
    return Path(path).absolute()


def engines(path: Path) -> tuple[Engine, Engine]:
    """Make the file, readable by us alone, and return the one connection that writes, and those that only read.

    Raises:
        OSError: the file cannot be made; the message is a sentence.
    """
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise OSError(f"{path} cannot be made: {error.strerror}") from None
    writer = create_engine(f"sqlite:///{path}", poolclass=StaticPool, connect_args={"check_same_thread": False})
    event.listen(writer, "connect", _prepare_writer)
    reader = create_engine(f"sqlite:///file:{path}?mode=ro&uri=true", pool_size=8, max_overflow=24)
    event.listen(reader, "connect", _prepare)
    event.listen(reader, "begin", lambda connection: carry_out(connection, "BEGIN"))
    return writer, reader


def damage(engine: Engine) -> str | None:
    """Look through the whole file and return the first thing that is wrong with it."""
    with engine.connect() as connection:
        found: str = connection.exec_driver_sql("PRAGMA quick_check(1)").scalar_one()
    return None if found == "ok" else found.strip().replace("\n", " ")


def is_full(error: BaseException) -> bool:
    """Tell whether something could not be written for want of room."""
    name = getattr(getattr(error, "orig", error), "sqlite_errorname", "")
    return str(name).startswith(_FULL)


def checkpoint(writer: Engine) -> None:
    """Move as much of the log into the ledger as there is room for, so that the log can begin anew."""
    with contextlib.suppress(sqlite3.Error), writer.connect() as connection:
        driver = connection.connection.driver_connection
        if driver is not None:
            driver.execute("PRAGMA wal_checkpoint(PASSIVE)")  # not through SQLAlchemy, which would begin a transaction


def wait_for_disk(connection: Connection, *, wait: bool) -> None:
    """Say of the transactions to come whether their commits wait for the disk.

    What does not is safe from this process's end, and from damage, but may be lost with the machine.
    """
    carry_out(connection, f"PRAGMA synchronous={'FULL' if wait else 'NORMAL'}")


class _Within:
    """What is done on a connection within; a class, since a fix waits for it and generators need more calls."""

    __slots__ = ("_connection",)

    def __init__(self, connection: Connection) -> None:
        self._connection = connection


class transaction(_Within):  # noqa: N801 - it is used as a function
    """Make durable, on the connection that writes, what is written within; undo it where something raises.

    Not through SQLAlchemy, whose own transaction on this connection begins once and means nothing: in transactions as
    small as ours its share is noticed.
    """

    __slots__ = ()

    def __enter__(self) -> None:
        carry_out(self._connection, "BEGIN IMMEDIATE")

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            _undo(self._connection)
            return
        try:
            carry_out(self._connection, "COMMIT")
        except BaseException:
            _undo(self._connection)
            raise


class savepoint(_Within):  # noqa: N801 - as above
    """Undo what is written within, and nothing else, where that raises; where the disk is full SQLite undoes it all."""

    __slots__ = ()

    def __enter__(self) -> None:
        carry_out(self._connection, "SAVEPOINT own")

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if error is not None:
            if not isinstance(error, Exception) or is_full(error):
                return
            carry_out(self._connection, "ROLLBACK TO SAVEPOINT own")
        carry_out(self._connection, "RELEASE SAVEPOINT own")


class beginning(_Within):  # noqa: N801 - as above
    """As `savepoint`, for what a transaction begins with: two statements fewer, since all of it can be undone."""

    __slots__ = ()

    def __enter__(self) -> None:
        """Everything so far is within."""

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, Exception) and not is_full(error):
            _undo(self._connection)
            carry_out(self._connection, "BEGIN IMMEDIATE")


def warning(version: tuple[int, ...] = sqlite3.sqlite_version_info) -> str | None:
    """Return what is to be said of a version of SQLite, by default the one at hand; None: nothing."""
    if version >= _SAFE_VERSION:
        return None
    given, safe = (".".join(map(str, each)) for each in (version, _SAFE_VERSION))
    return (
        f"SQLite {given} can corrupt a WAL database that several connections write and checkpoint at"
        f" the same moment; the bridge writes through one connection, so leave no other program write to the ledger"
        f" (fixed in {safe})"
    )


def sentence(error: BaseException) -> str:
    """Return what went wrong, in one line; not every error has words of its own: a `MemoryError` has none."""
    return next(iter(str(getattr(error, "orig", None) or error).splitlines()), "") or type(error).__name__


def is_under_way(connection: Connection) -> bool:
    """Tell whether there is a transaction: SQLite may have undone it already."""
    driver: Any = connection.connection.driver_connection
    return bool(driver.in_transaction)


def _undo(connection: Connection) -> None:
    if is_under_way(connection):
        carry_out(connection, "ROLLBACK")


def _prepare_writer(connection: Any, record: object) -> None:
    _prepare(connection, record)
    for pragma in _WRITER:
        connection.execute(f"PRAGMA {pragma}")


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # it is said when a transaction begins, not guessed by the driver
