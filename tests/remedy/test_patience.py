"""A thread meets the next request of its connection, unless others need it."""

import io
import socket
import threading
import time
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from remedy.web.patience import PatientWorker


@pytest.fixture
def worker() -> PatientWorker:
    """One that has four threads, and is not under gunicorn."""
    worker: PatientWorker = PatientWorker.__new__(PatientWorker)
    worker.cfg, worker.alive = SimpleNamespace(threads=4), True
    worker._met, worker._lined_up = set(), set()
    return worker


@pytest.fixture
def ends() -> Iterator[tuple[socket.socket, socket.socket]]:
    one, other = socket.socketpair()
    with one, other:
        yield one, other


class Connection:
    """As much of gunicorn's as is looked at."""

    def __init__(self, sock: socket.socket, buffered: bytes = b"") -> None:
        self.sock = sock
        self.parser = SimpleNamespace(unreader=SimpleNamespace(buf=io.BytesIO(buffered)))


@pytest.mark.parametrize(
    ("others", "buffered", "waits"),
    [
        ({}, b"", True),
        ({"_met": {"one"}}, b"", True),
        ({"_met": {"one", "two"}}, b"", False),
        ({"_lined_up": {"one"}}, b"", False),
        ({"alive": False}, b"", False),
        ({}, b"GET", False),
    ],
    ids=["alone", "another one is met", "half of the threads wait", "others wait for a thread", "ending", "read ahead"],
)
def test_it_waits_for_the_next_request(
    worker: PatientWorker,
    ends: tuple[socket.socket, socket.socket],
    others: dict[str, Any],
    buffered: bytes,
    waits: bool,
) -> None:
    for name, value in others.items():
        setattr(worker, name, value)
    ends[1].send(b"GET")
    before = set(worker._met)
    assert worker._next_comes(Connection(ends[0], buffered)) is waits
    assert worker._met == before


def test_it_does_not_wait_for_long(worker: PatientWorker, ends: tuple[socket.socket, socket.socket]) -> None:
    assert not worker._next_comes(Connection(ends[0]))


def test_who_waits_is_counted(worker: PatientWorker, ends: tuple[socket.socket, socket.socket]) -> None:
    met = Connection(ends[0])
    thread = threading.Thread(target=worker._next_comes, args=(met,))
    thread.start()
    until = time.monotonic() + 10
    while not worker._met and thread.is_alive() and time.monotonic() < until:
        time.sleep(0.001)
    seen = list(worker._met)
    ends[1].send(b"GET")
    thread.join()
    assert seen == [met]


class Answered:
    """A connection that has been answered before."""

    initialized = True


@pytest.mark.parametrize(
    ("answers", "comes", "answered"),
    [
        ([True, True, False], [True, True], 3),
        ([True, True], [True, False], 2),
        ([False], [], 1),
    ],
    ids=["until it is closed", "until nothing comes", "one alone"],
)
def test_the_same_thread_answers_what_comes_next(
    worker: PatientWorker, monkeypatch: pytest.MonkeyPatch, answers: list[bool], comes: list[bool], answered: int
) -> None:
    left, coming, seen = list(answers), list(comes), list[int]()

    def answer(_worker: PatientWorker, _conn: Any) -> bool:
        seen.append(threading.get_ident())
        return left.pop(0)

    monkeypatch.setattr(PatientWorker, "_answer", answer)
    monkeypatch.setattr(PatientWorker, "_next_comes", lambda _worker, _conn: coming.pop(0))
    assert worker.handle(Answered()) is answers[answered - 1]
    assert seen == [threading.get_ident()] * answered
