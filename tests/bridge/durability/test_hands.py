"""The threads that do what is beside others: as many as are needed at once, and one that hangs is in nobody's way."""

import threading
from collections.abc import Callable
from typing import Any

from bridge.hands import Hands, Task


def start(hands: Hands, work: Callable[..., Any], *args: Any) -> Task[Any]:
    task = Task(work, *args)
    hands.start(task)
    return task


def test_a_free_thread_is_used_again():
    hands = Hands("work")
    seen = []
    for _ in range(20):
        task = start(hands, threading.get_ident)
        assert task.wait(10)
        seen += task.results
    assert len(set(seen)) == 1


def test_one_that_hangs_is_left_behind_and_comes_back_when_it_ends():
    hands, gate = Hands("work"), threading.Event()
    hangs = start(hands, lambda: gate.wait(30) and threading.get_ident())
    assert not hangs.wait(0)
    other = start(hands, threading.get_ident)
    assert other.wait(10)
    gate.set()
    assert hangs.wait(10)
    assert hangs.results != other.results
    again = start(hands, threading.get_ident)
    assert again.wait(10)
    assert again.results == hangs.results


def test_many_at_once_lose_nothing_and_mix_nothing_up():
    hands = Hands("work")
    tasks = [start(hands, int, number) for number in range(500)]
    assert all(task.wait(10) for task in tasks)
    assert [task.results[0] for task in tasks] == list(range(500))


def test_what_raises_has_no_result_and_is_over(monkeypatch):
    hands = Hands("work")
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    task = start(hands, lambda: 1 / 0)
    assert task.wait(10)
    assert task.results == []
    assert start(hands, threading.get_ident).wait(10)


def test_none_keeps_the_process_from_ending():
    hands = Hands("work")
    task = start(hands, lambda: threading.current_thread().daemon)
    assert task.wait(10)
    assert task.results == [True]


def test_no_more_are_at_work_than_may_be_and_the_others_wait_in_line():
    hands, gate, order = Hands("work", most=2), threading.Event(), []
    first = [start(hands, gate.wait, 30) for _ in range(2)]
    others = [start(hands, lambda n=number: order.append((n, threading.get_ident()))) for number in range(50)]
    assert not others[0].wait(0.1)
    gate.set()
    assert all(task.wait(10) for task in (*first, *others))
    assert sorted(number for number, _ in order) == list(range(50))
    assert len({thread for _, thread in order}) <= 2


def test_what_raises_keeps_nobody_in_line_waiting(monkeypatch):
    monkeypatch.setattr(threading, "excepthook", lambda _args: None)
    hands, gate = Hands("work", most=1), threading.Event()
    start(hands, lambda: gate.wait(30) and 1 / 0)
    after = start(hands, int, "2")
    gate.set()
    assert after.wait(10)
    assert after.results == [2]
