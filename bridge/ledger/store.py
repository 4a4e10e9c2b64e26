"""Opening the ledger, reading from it, and one thread that writes and commits in groups.

SQLite up to 3.51.2 can corrupt a WAL database when several connections write and checkpoint at the same moment, so one
connection writes and checkpoints; all others can only read. Whoever waits beside a commit shares it: durability does
not cost one fsync each.
"""

import contextlib
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.ledger import spare, sqlite
from bridge.ledger.gathering import Gathering
from bridge.ledger.migrations import MIGRATIONS, Migration, NewerLedgerError, migrate, touch
from bridge.ledger.prepared import keep_driver
from bridge.ledger.promise import Follower, Promise
from bridge.ledger.reply import Reply
from bridge.ledger.reserve import Reserve

Result = TypeVar("Result")
Item = TypeVar("Item")
Batch = Callable[[Connection, list[Item]], list[Result]]
_GROUP = 256
"""Transactions that share one commit at most."""
_AHEAD_SECONDS = 0.003
"""So long may what follows from a commit take to begin before those are told who waited for it: a fix goes first, and
answers would take the processor, and the interpreter, from it at that very moment."""


class LedgerError(Exception):
    """The ledger cannot be opened or written; the message is a sentence."""


@dataclass
class _Work(Generic[Result]):
    do: Callable[[Connection], Result]
    done: Reply[Result]
    lasting = True
    """Whether it must survive the machine's end, not only ours."""


@dataclass
class _Share(Generic[Item, Result]):
    """A part of what is done together with others of its kind."""

    batch: Batch[Item, Result]
    item: Item
    done: Reply[Result]
    lasting: bool = True


_Waiting = _Work[Any] | _Share[Any, Any]
_Done = tuple[_Waiting, Any, BaseException | None]
_Apart = Callable[[Connection], contextlib.AbstractContextManager[None]]
"""Undoes what is done within it where that raises, and nothing else."""


class Ledger:
    """One ledger, open. `write` returns only when what was written is durable."""

    def __init__(self, url: str, migrations: Mapping[int, Migration] = MIGRATIONS, *, reserve: int = 0) -> None:
        """Open the ledger at an SQLAlchemy URL; make it where there is none, migrate it where it is older.

        `reserve` is how many bytes of the disk it keeps for when there are no others.

        Raises:
            LedgerError: it cannot be opened, is damaged, or was made by a newer version.
        """
        try:
            self.path = sqlite.file_of(url)
            self._writer, self._reader = sqlite.engines(self.path)
        except (ValueError, OSError) as error:
            raise LedgerError(str(error)) from None
        self.reserve = Reserve(self.path, reserve)
        self.trouble: str | None = None
        """Why something could not be written; None once there is room again, and writing works."""
        self._waiting: Gathering[_Waiting] = Gathering(_GROUP)
        self._waits_for_disk = True
        self._followers: list[Follower] = []
        """Of the transaction that is under way."""
        try:
            self._with_room(lambda: self._open(migrations))
        except (SQLAlchemyError, NewerLedgerError, LedgerError) as error:
            self._dispose()
            raise LedgerError(f"{self.path} cannot be used: {sqlite.sentence(error)}") from None
        self.reserve.fill()
        if reserve:
            spare.keep(self.path)
        self._thread = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._thread.start()

    @contextlib.contextmanager
    def read(self) -> Iterator[Connection]:
        """Read a consistent picture."""
        with self._reader.connect() as connection, connection.begin():
            yield connection

    def write(self, work: Callable[[Connection], Result]) -> Result:
        """Do some work in a transaction and return its result once it is durable.

        What `work` raises undoes its own writes alone and is raised here. Where the disk was full, and the reserve
        helped, `work` is done again from its beginning.

        Raises:
            LedgerError: it could not be made durable, or the ledger is closed.
        """
        done: Reply[Result] = Reply()
        self._put(_Work(work, done))
        return done.wait()

    def write_together(self, batch: Batch[Item, Result], item: Item) -> Result:
        """As `write`, but what waits for the same `batch` at that moment is given to it at once, in order.

        `batch` returns one result for each item. Where it raises, all of these items are undone and each is done alone:
        what it raises for one is raised for that one.
        """
        done: Reply[Result] = Reply()
        self._put(_Share(batch, item, done))
        return done.wait()

    def note_together(self, batch: Batch[Item, Result], item: Item) -> Result:
        """As `write_together`, for what means something only while this machine runs: it outlives us, no power cut."""
        done: Reply[Result] = Reply()
        self._put(_Share(batch, item, done, lasting=False))
        return done.wait()

    def follow(self, follower: Follower) -> None:
        """Let something be made ready while what is being written becomes durable; only for who writes, while they do.

        It is called when everything is written, unless that was undone, and must not block: another thread may.
        """
        self._followers.append(follower)

    def mend(self) -> None:
        """Look whether there is room again: for what could not be written, and for the reserve."""
        if self.trouble is not None:
            with contextlib.suppress(LedgerError):
                self.write(touch)
        self.reserve.fill()

    def close(self) -> None:
        """Write what is waiting, and close; who writes afterwards gets an error."""
        if self._waiting.close():
            self._thread.join()
            self._dispose()

    def _open(self, migrations: Mapping[int, Migration]) -> None:
        damage = sqlite.damage(self._writer)
        if damage is not None:
            raise LedgerError(f"it is damaged ({damage}): put a backup in its place, or move it aside")
        with self._writer.connect() as connection, sqlite.transaction(connection):
            migrate(connection, migrations)

    def _put(self, work: _Waiting) -> None:
        if not self._waiting.put(work):
            raise LedgerError("the ledger is closed")

    def _dispose(self) -> None:
        self._reader.dispose()
        self._writer.dispose()

    def _write_all(self) -> None:
        with self._writer.connect() as connection:
            keep_driver(connection)
            while group := self._waiting.take():
                self._commit(connection, group)

    def _commit(self, connection: Connection, group: list[_Waiting]) -> None:
        try:
            results = self._with_room(lambda: self._transact(connection, group))
        except Exception as error:  # noqa: BLE001 - whatever it was, those who wait must hear of it
            self.trouble = f"the ledger could not be written: {sqlite.sentence(error)}"
            for work in group:
                work.done.fail(LedgerError(self.trouble))
            return
        if self.trouble is not None and self.reserve.has_room():
            self.trouble = None
        for work, result, problem in results:
            if problem is None:
                work.done.give(result)
            else:
                work.done.fail(problem)

    def _transact(self, connection: Connection, group: list[_Waiting]) -> list[_Done]:
        promises, kept = list[Promise](), False
        try:
            self._wait_for_disk(connection, wait=any(work.lasting for work in group))
            with sqlite.transaction(connection):
                done: list[_Done] = []
                for alike in _kinds(group):
                    done += self._attempt(connection, alike, sqlite.savepoint if done else sqlite.beginning)
                for follower in self._followers:
                    promises.append(Promise())
                    follower(promises[-1])
            kept = True
        finally:
            self._followers.clear()
            for promise in promises:
                promise.decide(kept=kept)
        for promise in promises:
            if not self._waiting:
                promise.let_begin(_AHEAD_SECONDS)
        return done

    def _wait_for_disk(self, connection: Connection, *, wait: bool) -> None:
        if wait != self._waits_for_disk:
            self._waits_for_disk = False  # until it is said that it does
            sqlite.wait_for_disk(connection, wait=wait)
            self._waits_for_disk = wait

    def _attempt(self, connection: Connection, alike: list[_Waiting], apart: _Apart = sqlite.savepoint) -> list[_Done]:
        """Do what is of one kind; where that fails for several, do each alone: only the one at fault suffers."""
        before = len(self._followers)
        try:
            with apart(connection):
                results = _do(connection, alike)
        except Exception as error:  # it belongs to whoever asked for this work
            if sqlite.is_full(error) or not sqlite.is_under_way(connection):
                raise  # it is nobody's fault, and SQLite has undone the whole group
            del self._followers[before:]
            if len(alike) > 1:
                return [result for work in alike for result in self._attempt(connection, [work])]
            return [(alike[0], None, error)]
        return [(work, result, None) for work, result in zip(alike, results, strict=True)]

    def _with_room(self, work: Callable[[], Result]) -> Result:
        """Do something; where the disk is full, again with a part of the reserve, until nothing is left of it."""
        while True:
            try:
                return work()
            except SQLAlchemyError as error:
                if not sqlite.is_full(error) or not self.reserve.give():
                    raise
            sqlite.checkpoint(self._writer)


def _kinds(group: list[_Waiting]) -> Iterable[list[_Waiting]]:
    """Put shares of a batch together, since nobody who waits was promised a place; other work is of its own kind."""
    kinds: dict[object, list[_Waiting]] = {}
    for work in group:
        kinds.setdefault(work.batch if isinstance(work, _Share) else id(work), []).append(work)
    return kinds.values()


def _do(connection: Connection, alike: list[_Waiting]) -> list[Any]:
    first = alike[0]
    if isinstance(first, _Work):
        return [first.do(connection)]
    return first.batch(connection, [work.item for work in alike if isinstance(work, _Share)])
