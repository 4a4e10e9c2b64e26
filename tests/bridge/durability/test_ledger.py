"""The ledger as a file: its versions, damage, its log, its rights, and those who write when it is closed."""

import errno
import os
import sqlite3
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import insert, select, text
from sqlalchemy.exc import OperationalError

from bridge.ledger import sqlite
from bridge.ledger.schema import meta
from bridge.ledger.store import Ledger, LedgerError
from tests.e2e.waiting import wait_for


@pytest.fixture
def file(tmp_path):
    return tmp_path / "data" / "ledger.db"


def opened(file, **more):
    return Ledger(f"sqlite:///{file}", **more)


def put(ledger, key, value="x"):
    ledger.write(lambda c: c.execute(insert(meta).values(key=key, value=value)) and None)


def keys(ledger):
    with ledger.read() as connection:
        return set(connection.scalars(select(meta.c.key)))


def test_it_is_readable_by_its_owner_alone(file):
    ledger = opened(file)
    put(ledger, "a")
    modes = {stat.S_IMODE(each.stat().st_mode) for each in file.parent.iterdir()}
    ledger.close()
    assert modes == {0o600}


def test_migrations_run_once_in_order_and_all_or_nothing(file):
    opened(file).close()
    ran = []

    def second(connection):
        ran.append(2)
        connection.execute(text("CREATE TABLE extra (a)"))

    def third(connection):
        ran.append(3)
        connection.execute(text("INSERT INTO extra VALUES (1)"))

    def broken(connection):
        connection.execute(text("INSERT INTO nowhere VALUES (1)"))

    with pytest.raises(LedgerError, match="no such table: nowhere"):
        opened(file, migrations={2: second, 3: broken})
    opened(file, migrations={2: second, 3: third}).close()
    opened(file, migrations={2: second, 3: third}).close()
    assert ran == [2, 2, 3]
    with pytest.raises(LedgerError, match="of version 3, and this bridge knows versions up to 1 only"):
        opened(file)


def test_a_damaged_ledger_is_refused_with_what_to_do(file):
    ledger = opened(file)
    for number in range(500):
        put(ledger, f"key {number}", "x" * 500)
    ledger.close()
    data = bytearray(file.read_bytes())
    data[8192:60000] = b"\x55" * (60000 - 8192)
    file.write_bytes(data)
    with pytest.raises(LedgerError, match=r"ledger\.db cannot be used: .*(malformed|put a backup in its place)"):
        opened(file)


def test_what_is_no_database_is_refused(file):
    file.parent.mkdir()
    file.write_text("this is a text file, and a long one " * 100)
    with pytest.raises(LedgerError, match="file is not a database"):
        opened(file)


def test_who_writes_when_it_is_closed_gets_an_error_and_does_not_wait(file):
    ledger = opened(file)
    ledger.close()
    with pytest.raises(LedgerError, match="closed"):
        put(ledger, "late")
    ledger.close()


def in_time(ledger, key, seconds=5):
    """Write in a thread of its own: where nobody writes any more, who waits for it waits for ever."""
    done = []

    def write():
        try:
            put(ledger, key)
            done.append("written")
        except LedgerError as error:
            done.append(str(error))

    thread = threading.Thread(target=write, daemon=True)
    thread.start()
    thread.join(seconds)
    return done


def test_an_error_without_words_is_one_of_that_write_and_not_the_end_of_all(file, monkeypatch):
    """As SQLite's when there is no memory: the thread that writes once ended with it, and everybody waited for ever."""
    ledger = opened(file)
    carry_out = sqlite.carry_out

    def without_memory(connection, sql, *more):
        if sql == "COMMIT":
            raise MemoryError
        return carry_out(connection, sql, *more)

    monkeypatch.setattr(sqlite, "carry_out", without_memory)
    assert in_time(ledger, "a") == ["the ledger could not be written: MemoryError"]
    monkeypatch.undo()
    assert in_time(ledger, "b") == ["written"]
    assert keys(ledger) >= {"b"}
    assert "a" not in keys(ledger)
    assert ledger.trouble is None
    ledger.close()


def test_a_disk_that_cannot_be_asked_for_its_room_keeps_nobody_from_writing(file, monkeypatch):
    ledger = opened(file)
    ledger.trouble = "the ledger could not be written: disk I/O error"

    def unanswered(_path):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "statvfs", unanswered)
    assert [in_time(ledger, key) for key in "ab"] == [["written"], ["written"]]
    assert ledger.trouble is not None
    monkeypatch.undo()
    assert in_time(ledger, "c") == ["written"]
    assert ledger.trouble is None
    ledger.close()


def test_a_failing_work_undoes_itself_alone(file):
    ledger = opened(file)
    gate = threading.Event()

    def fails(connection):
        connection.execute(insert(meta).values(key="bad", value="x"))
        raise ValueError("a mistake")

    outcomes = []

    def write(work):
        try:
            ledger.write(work)
            outcomes.append("written")
        except ValueError as error:
            outcomes.append(str(error))

    blocker = threading.Thread(target=write, args=(lambda _: gate.wait(10),))
    blocker.start()
    good = {"key": "good", "value": "x"}
    others = [
        threading.Thread(target=write, args=(work,))
        for work in (fails, lambda c: c.execute(insert(meta).values(**good)))
    ]
    for thread in others:
        thread.start()
    gate.set()
    for thread in (blocker, *others):
        thread.join()
    assert sorted(outcomes) == ["a mistake", "written", "written"]
    assert "good" in keys(ledger)
    assert "bad" not in keys(ledger)
    ledger.close()


def test_what_is_said_not_to_be_written_is_not(file, monkeypatch):
    """Another program took the lock when the first of a group was undone: the others were, each, and were told not."""
    ledger, gate, entered = opened(file), threading.Event(), threading.Event()
    carry_out, outcomes = sqlite.carry_out, {}

    def refused(connection, sql, *more, **which):
        if sql == "BEGIN IMMEDIATE" and outcomes:
            raise OperationalError(sql, (), Exception("database is locked"))
        return carry_out(connection, sql, *more, **which)

    def fails(_connection):
        outcomes["undone"] = True
        raise ValueError("a mistake")

    def put(name):
        return lambda connection: connection.execute(insert(meta).values(key=name, value="x")) and name

    def write(name, work):
        try:
            outcomes[name] = ledger.write(work)
        except (ValueError, LedgerError) as error:
            outcomes[name] = type(error)

    blocker = threading.Thread(target=ledger.write, args=(lambda _: entered.set() or gate.wait(10),))
    blocker.start()
    assert entered.wait(10)
    monkeypatch.setattr(sqlite, "carry_out", refused)
    others = []
    for name, work in {"bad": fails, "a": put("a"), "b": put("b")}.items():
        others.append(threading.Thread(target=write, args=(name, work)))
        others[-1].start()
        wait_for(lambda: len(ledger._waiting) == len(others))
    gate.set()
    for thread in (blocker, *others):
        thread.join()
    monkeypatch.undo()
    assert {name: outcomes[name] for name in ("a", "b")} == {"a": LedgerError, "b": LedgerError}
    assert not keys(ledger) & {"a", "b"}
    ledger.write(put("later"))
    assert "later" in keys(ledger)
    ledger.close()


def test_one_bad_share_spoils_none_of_those_that_were_to_be_written_with_it(file):
    ledger = opened(file)
    gate, sizes, outcomes = threading.Event(), [], {}

    def batch(connection, names):
        sizes.append(len(names))
        connection.execute(insert(meta), [{"key": name, "value": "x"} for name in names])
        if "bad" in names:
            raise ValueError("a mistake")
        return [name.upper() for name in names]

    def share(name):
        try:
            outcomes[name] = ledger.write_together(batch, name)
        except ValueError as error:
            outcomes[name] = str(error)

    entered = threading.Event()
    blocker = threading.Thread(target=ledger.write, args=(lambda _: entered.set() or gate.wait(10),))
    blocker.start()
    assert entered.wait(10)
    others = [threading.Thread(target=share, args=(name,)) for name in ("a", "bad", "b", "c")]
    for thread in others:
        thread.start()
    while len(ledger._waiting) < 4:
        time.sleep(0.001)
    gate.set()
    for thread in (blocker, *others):
        thread.join()
    ledger_keys = keys(ledger)
    ledger.close()
    assert sizes == [4, 1, 1, 1, 1]
    assert outcomes == {"a": "A", "bad": "a mistake", "b": "B", "c": "C"}
    assert ledger_keys >= {"a", "b", "c"}
    assert "bad" not in ledger_keys


def test_only_what_must_survive_the_machine_waits_for_the_disk(file):
    """2 is FULL, 1 NORMAL (sqlite.org/pragma.html#pragma_synchronous): at the commit SQLite syncs its log, or not."""
    ledger = opened(file)

    def level(connection):
        return connection.exec_driver_sql("PRAGMA synchronous").scalar()

    def note(connection, items):
        return [level(connection) for _ in items]

    def wrong(connection, items):
        raise ZeroDivisionError

    assert ledger.note_together(note, None) == 1
    assert ledger.write(level) == 2
    with pytest.raises(ZeroDivisionError):
        ledger.note_together(wrong, None)
    assert ledger.write(level) == 2
    assert _beside(ledger, lambda: ledger.note_together(note, None), lambda: ledger.write(level)) == [2, 2]
    ledger.close()


def test_nothing_is_written_that_would_not_wait_for_the_disk_and_must(file, monkeypatch):
    ledger = opened(file)
    ledger.note_together(lambda _, items: items, None)
    with monkeypatch.context() as patched:
        patched.setattr(sqlite, "wait_for_disk", failing)
        with pytest.raises(LedgerError, match="could not be written"):
            put(ledger, "a")
    put(ledger, "b")
    assert ledger.write(lambda c: c.exec_driver_sql("PRAGMA synchronous").scalar()) == 2
    assert keys(ledger) >= {"b"}
    assert "a" not in keys(ledger)
    ledger.close()


def failing(*_, **__):
    raise OSError("a disk that is gone")


def _beside(ledger, *calls):
    """Let calls wait for one commit, and return what they return."""
    holding, going = threading.Event(), threading.Event()
    first = threading.Thread(target=ledger.write, args=(lambda _: holding.set() or going.wait(10),))
    first.start()
    assert holding.wait(10)
    with ThreadPoolExecutor() as pool:
        futures = [pool.submit(call) for call in calls]
        while len(ledger._waiting) < len(calls):
            time.sleep(0.001)
        going.set()
        found = [future.result() for future in futures]
    first.join()
    return found


def test_a_reader_sees_one_moment_however_long_it_reads(file):
    ledger = opened(file)
    with ledger.read() as connection:
        before = connection.scalars(select(meta.c.key)).all()
        put(ledger, "meanwhile")
        assert connection.scalars(select(meta.c.key)).all() == before
    assert "meanwhile" in keys(ledger)
    ledger.close()


def test_the_log_stays_small_and_is_gone_when_it_is_closed(file):
    ledger = opened(file)
    log = file.with_name(file.name + "-wal")
    for number in range(40):
        put(ledger, f"key {number}", "x" * 1_000_000)
    put(ledger, "last")
    assert log.stat().st_size < 20_000_000
    ledger.close()
    assert not log.exists()


def test_only_one_connection_can_write(file):
    ledger = opened(file)
    with ledger.read() as connection, pytest.raises(Exception, match="readonly database"):
        connection.execute(insert(meta).values(key="b", value="x"))
    ledger.close()
    assert sqlite3.connect(file).execute("PRAGMA integrity_check").fetchone() == ("ok",)
