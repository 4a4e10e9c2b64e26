"""Opening the ledger, reading from it, and one thread that writes and commits in groups.

SQLite up to 3.51.2 can corrupt a WAL database when several connections write and checkpoint at the same moment, so one
connection writes. Whoever waits beside a commit shares it: durability does not cost one fsync each.
"""

import contextlib
import os
import queue
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection, create_engine, event, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import StaticPool

from bridge.ledger.schema import METADATA, VERSION, meta

Result = TypeVar("Result")
_GROUP = 256
"""Transactions that share one commit at most."""


class LedgerError(Exception):
    """The ledger cannot be opened or written; the message is a sentence."""


@dataclass
class _Work(Generic[Result]):
    do: Callable[[Connection], Result]
    done: Future[Result]


class Ledger:
    """One ledger, open. `write` returns only when what was written is durable."""

    def __init__(self, url: str) -> None:
        """Open (and create) the ledger at an SQLAlchemy URL.

        Raises:
            LedgerError: it cannot be opened, or was made by a newer version.
        """
        path = make_url(url).database
        if not url.startswith("sqlite") or not path:
            raise LedgerError(f"{make_url(url).render_as_string()} cannot be used: only SQLite files so far")
        self.path = Path(path).absolute()
        _create(self.path)
        self._writer = create_engine(
            f"sqlite:///{self.path}", poolclass=StaticPool, connect_args={"check_same_thread": False}
        )
        event.listen(self._writer, "connect", _prepare)
        event.listen(self._writer, "begin", _begin)
        self._reader = create_engine(f"sqlite:///file:{self.path}?mode=ro&uri=true", pool_size=8, max_overflow=24)
        self._queue: queue.SimpleQueue[_Work[Any] | None] = queue.SimpleQueue()
        try:
            self._migrate()
        except SQLAlchemyError as error:
            raise LedgerError(f"{self.path} cannot be opened: {_sentence(error)}") from None
        self._thread = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Read a consistent picture."""
        with self._reader.connect() as connection:
            yield connection

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do some work in a transaction and return its result once it is durable.

        What `work` raises undoes its own writes alone and is raised here.

        Raises:
            LedgerError: it could not be made durable.
        """
        done: Future[Result] = Future()
        self._queue.put(_Work(work, done))
        return done.result()

    def close(self) -> None:
        """Write what is waiting, and close."""
        self._queue.put(None)
        self._thread.join()
        self._reader.dispose()
        self._writer.dispose()

    def _migrate(self) -> None:
        with self._writer.begin() as connection:
            METADATA.create_all(connection)
            version = connection.scalar(select(meta.c.value).where(meta.c.key == "version"))
            if version is None:
                connection.execute(insert(meta).values(key="version", value=str(VERSION)))
            elif int(version) > VERSION:
                raise LedgerError(f"{self.path} was made by a newer version of remediation-bridge")

    def _write_all(self) -> None:
        while (first := self._queue.get()) is not None:
            group = [first]
            last = False
            while len(group) < _GROUP and not self._queue.empty():
                work = self._queue.get()
                if work is None:
                    last = True
                    break
                group.append(work)
            self._commit(group)
            if last:
                return

    def _commit(self, group: list[_Work[Any]]) -> None:
        results: list[tuple[_Work[Any], Any, BaseException | None]] = []
        try:
            with self._writer.begin() as connection:
                results.extend((work, *_attempt(connection, work)) for work in group)
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            failure = LedgerError(f"the ledger could not be written: {_sentence(error)}")
            for work in group:
                work.done.set_exception(failure)
            return
        for work, result, problem in results:
            if problem is None:
                work.done.set_result(result)
            else:
                work.done.set_exception(problem)


def _attempt(connection: Connection, work: _Work[Any]) -> tuple[Any, BaseException | None]:
    savepoint = connection.begin_nested()
    try:
        result = work.do(connection)
    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for this work
        savepoint.rollback()
        return None, error
    savepoint.commit()
    return result, None


def _create(path: Path) -> None:
    """Make the file readable by us alone before SQLite opens it."""
    try:
        path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise LedgerError(f"{path} cannot be made: {error.strerror}") from None


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins, not the driver
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "busy_timeout=5000"):
        connection.execute(f"PRAGMA {pragma}")


def _begin(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _sentence(error: BaseException) -> str:
    return str(getattr(error, "orig", None) or error).splitlines()[0]
