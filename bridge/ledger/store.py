"""Opening the ledger, reading from it, and one thread that writes and commits in groups.

SQLite up to 3.51.2 can corrupt a WAL database when several connections write and checkpoint at the same moment, so one
connection writes and checkpoints; all others can only read. Whoever waits beside a commit shares it: durability does
not cost one fsync each.
"""

import contextlib
import itertools
import queue
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.ledger import sqlite
from bridge.ledger.migrations import MIGRATIONS, Migration, NewerLedgerError, migrate

Result = TypeVar("Result")
Item = TypeVar("Item")
Batch = Callable[[Connection, list[Item]], list[Result]]
_GROUP = 256
"""Transactions that share one commit at most."""


class LedgerError(Exception):
    """The ledger cannot be opened or written; the message is a sentence."""


@dataclass
class _Work(Generic[Result]):
    do: Callable[[Connection], Result]
    done: Future[Result]


@dataclass
class _Share(Generic[Item, Result]):
    """A part of what is done together with others of its kind."""

    batch: Batch[Item, Result]
    item: Item
    done: Future[Result]


_Waiting = _Work[Any] | _Share[Any, Any]


class Ledger:
    """One ledger, open. `write` returns only when what was written is durable."""

    def __init__(self, url: str, migrations: Mapping[int, Migration] = MIGRATIONS) -> None:
        """Open the ledger at an SQLAlchemy URL; make it where there is none, migrate it where it is older.

        Raises:
            LedgerError: it cannot be opened, is damaged, or was made by a newer version.
        """
        try:
            self.path = sqlite.file_of(url)
            self._writer, self._reader = sqlite.engines(self.path)
        except (ValueError, OSError) as error:
            raise LedgerError(str(error)) from None
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._closed = threading.Event()
        self._entering = threading.Lock()
        try:
            self._open(migrations)
        except (SQLAlchemyError, NewerLedgerError, LedgerError) as error:
            self._dispose()
            raise LedgerError(f"{self.path} cannot be used: {sqlite.sentence(error)}") from None
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
            LedgerError: it could not be made durable, or the ledger is closed.
        """
        done: Future[Result] = Future()
        self._put(_Work(work, done))
        return done.result()

    def write_together(self, batch: Batch[Item, Result], item: Item) -> Result:
        """As `write`, but what waits for the same `batch` at that moment is given to it at once, in order.

        `batch` returns one result for each item. What it raises undoes all of these items, and is raised for each.
        """
        done: Future[Result] = Future()
        self._put(_Share(batch, item, done))
        return done.result()

    def close(self) -> None:
        """Write what is waiting, and close; who writes afterwards gets an error."""
        with self._entering:
            if self._closed.is_set():
                return
            self._closed.set()
            self._queue.put(None)
        self._thread.join()
        self._dispose()

    def _open(self, migrations: Mapping[int, Migration]) -> None:
        damage = sqlite.damage(self._writer)
        if damage is not None:
            raise LedgerError(f"it is damaged ({damage}): put a backup in its place, or move it aside")
        with self._writer.begin() as connection:
            migrate(connection, migrations)

    def _put(self, work: _Waiting) -> None:
        with self._entering:
            if self._closed.is_set():
                raise LedgerError("the ledger is closed")
            self._queue.put(work)

    def _dispose(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

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

    def _commit(self, group: list[_Waiting]) -> None:
        results: list[tuple[_Waiting, Any, BaseException | None]] = []
        try:
            with self._writer.begin() as connection:
                for _, alike in itertools.groupby(group, key=_kind):
                    results += _attempt(connection, list(alike))
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            failure = LedgerError(f"the ledger could not be written: {sqlite.sentence(error)}")
            for work in group:
                work.done.set_exception(failure)
            return
        for work, result, problem in results:
            if problem is None:
                work.done.set_result(result)
            else:
                work.done.set_exception(problem)


def _kind(work: _Waiting) -> object:
    """Work of one kind, in a row, is done together; what is no share is of a kind of its own."""
    return work.batch if isinstance(work, _Share) else id(work)


def _attempt(connection: Connection, alike: list[_Waiting]) -> list[tuple[_Waiting, Any, BaseException | None]]:
    savepoint = connection.begin_nested()
    try:
        results = _do(connection, alike)
    except Exception as error:  # noqa: BLE001 - it belongs to whoever asked for this work
        savepoint.rollback()
        return [(work, None, error) for work in alike]
    savepoint.commit()
    return [(work, result, None) for work, result in zip(alike, results, strict=True)]


def _do(connection: Connection, alike: list[_Waiting]) -> list[Any]:
    first = alike[0]
    if isinstance(first, _Work):
        return [first.do(connection)]
    return first.batch(connection, [work.item for work in alike if isinstance(work, _Share)])
