"""What follows from what is written: made ready meanwhile, begun when it is durable, and before anybody is told."""

import contextlib
import threading
import time

import pytest
from sqlalchemy import insert

from bridge.ledger import store
from bridge.ledger.schema import meta, steps
from bridge.ledger.store import LedgerError
from tests.bridge.durability.test_ledger import keys, opened, put


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger.db"


def test_what_follows_is_made_ready_before_it_is_durable_and_goes_then(file):
    ledger = opened(file)
    seen, followers = [], []

    def look(go):
        seen.append("a" in keys(ledger))
        seen.append((go.wait(), "a" in keys(ledger)))

    def follow(go):
        followers.append(threading.Thread(target=look, args=(go,)))
        followers[0].start()
        wait_until(lambda: seen)

    def work(connection):
        ledger.follow(follow)
        connection.execute(insert(meta).values(key="a", value=""))
        assert not followers, "not before everything is written"

    ledger.write(work)
    followers[0].join(10)
    ledger.close()
    assert seen == [False, (True, True)]


def test_nothing_follows_from_what_is_undone(file):
    ledger = opened(file)
    tried, followed = [], []

    def batch(_connection, items):
        tried.append(tuple(items))
        ledger.follow(lambda go: followed.append((tuple(items), go)))
        if "wrong" in items:
            raise KeyError("any")
        return items

    def together(item):
        with contextlib.suppress(KeyError):
            ledger.write_together(batch, item)

    held, go_on = threading.Event(), threading.Event()
    holder = threading.Thread(target=ledger.write, args=(lambda _connection: held.set() or go_on.wait(10),))
    others = [threading.Thread(target=together, args=(item,)) for item in ("right", "wrong")]
    holder.start()
    held.wait(10)
    for thread in others:
        thread.start()
    wait_until(lambda: len(ledger._waiting) == 2)
    go_on.set()
    for thread in (holder, *others):
        thread.join(10)
    ledger.close()
    assert len(tried) == 3, "first both together, then each alone"
    assert [(items, go.wait()) for items, go in followed] == [(("right",), True)]


def test_what_follows_does_not_go_where_the_commit_fails(file):
    ledger = opened(file)
    followed = []

    def of_no_run(connection):
        ledger.follow(followed.append)
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        step = {"run_id": 1, "attempt": 1, "position": 0, "action": "", "token": "", "started_at": 0.0}
        connection.execute(insert(steps).values(step))  # of no run, so that the commit fails

    with pytest.raises(LedgerError, match="FOREIGN KEY"):
        ledger.write(of_no_run)
    put(ledger, "a")
    ledger.close()
    assert [go.wait() for go in followed] == [False]


@pytest.fixture
def patient(monkeypatch):
    monkeypatch.setattr(store, "_AHEAD_SECONDS", 30.0)


def follow_and_write(ledger, begins, told):
    """Write something that something follows from; the follower notes when it begins, where it does."""
    is_told = threading.Event()

    def begin(go):
        go.wait()
        is_told.wait(0.3)  # it is not, and it would be by then
        told.append("begins")
        go.begun()

    def work(_connection):
        ledger.follow((lambda go: threading.Thread(target=begin, args=(go,)).start()) if begins else lambda _go: None)

    ledger.write(work)
    told.append("told")
    is_told.set()


@pytest.mark.usefixtures("patient")
def test_what_follows_begins_before_those_are_told_who_waited(file):
    ledger, told = opened(file), []
    follow_and_write(ledger, True, told)
    ledger.close()
    assert told == ["begins", "told"]


def test_what_follows_and_does_not_begin_keeps_nobody_for_long(file):
    ledger, told = opened(file), []
    follow_and_write(ledger, False, told)
    ledger.close()
    assert told == ["told"]


@pytest.mark.usefixtures("patient")
def test_where_others_wait_nobody_is_kept_for_what_follows(file):
    ledger = opened(file)
    beside = threading.Thread(target=put, args=(ledger, "beside"))

    def work(_connection):
        ledger.follow(lambda _go: None)
        beside.start()
        wait_until(lambda: len(ledger._waiting) == 1)

    writer = threading.Thread(target=ledger.write, args=(work,), daemon=True)
    writer.start()
    for thread in (writer, beside):
        thread.join(10)
        assert not thread.is_alive()
    ledger.close()


def wait_until(true):
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)
