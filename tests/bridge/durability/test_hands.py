"""The threads that do steps: kept, as many as are needed at once, and one that hangs is in nobody's way."""

import threading

from bridge.run.hands import Hands


def test_a_free_thread_is_used_again():
    hands = Hands()
    seen = []
    for _ in range(20):
        task = hands.start(threading.get_ident)
        assert task.wait(10)
        seen += task.results
    assert len(set(seen)) == 1


def test_one_that_hangs_is_left_behind_and_comes_back_when_it_ends():
    hands, gate = Hands(), threading.Event()
    hangs = hands.start(lambda: gate.wait(30) and threading.get_ident())
    assert not hangs.wait(0)
    other = hands.start(threading.get_ident)
    assert other.wait(10)
    gate.set()
    assert hangs.wait(10)
    assert hangs.results != other.results
    again = hands.start(threading.get_ident)
    assert again.wait(10)
    assert again.results == hangs.results


def test_many_at_once_lose_nothing_and_mix_nothing_up():
    hands = Hands()
    tasks = [hands.start(lambda number=number: number) for number in range(500)]
    assert all(task.wait(10) for task in tasks)
    assert [task.results[0] for task in tasks] == list(range(500))


def test_what_raises_has_no_result_and_is_over():
    hands = Hands()
    before = threading.excepthook
    threading.excepthook = lambda _args: None
    try:
        task = hands.start(lambda: 1 / 0)
        assert task.wait(10)
    finally:
        threading.excepthook = before
    assert task.results == []
    assert hands.start(threading.get_ident).wait(10)
