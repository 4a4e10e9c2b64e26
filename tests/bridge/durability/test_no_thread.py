"""Where no thread can be started everything waits for one: nothing is given up, and nothing is done twice."""

import threading

import pytest

from bridge.hands import Hands, Task
from bridge.ledger.schema import runs, steps
from tests.bridge.durability.bridge_world import World, opened
from tests.e2e.waiting import wait_for

CONFIGURATION = """
    alertmanagers: [{url: "http://127.0.0.1:1"}]
    notifiers: {record: {kind: log}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{wait: {duration: 1ms}}]
        verify: none
        escalate: [{after_attempts: 1, to: [record]}]
    """
LABELS = {"alertname": "Down", "instance": "web-1:9100"}


@pytest.fixture
def none_left(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """While it is set no thread can be started."""
    none, start = threading.Event(), threading.Thread.start

    def perhaps(thread: threading.Thread) -> None:
        if none.is_set():
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", perhaps)
    return none


def finished(world: World) -> list[str | None]:
    return [row.outcome for row in world.rows(runs)]


def test_a_run_waits_for_a_thread_and_is_then_done_once(tmp_path, none_left):
    """It was given up once, and yet done, beside whatever came next, as soon as a thread was free."""
    with opened(tmp_path, CONFIGURATION) as world:
        world.dispatcher._crew._workers = Hands("run")
        none_left.set()
        world.fire(LABELS, world.now)
        world.round()
        world.round()
        assert finished(world) == [None]
        none_left.clear()
        wait_for(lambda: world.round() or finished(world) == ["unverified"])
        assert len(world.hand.touches) == len(world.rows(steps)) == 1


def test_a_step_that_gets_no_thread_of_its_own_is_done_in_that_of_its_run(tmp_path, none_left):
    with opened(tmp_path, CONFIGURATION) as world:
        none_left.set()
        world.fire(LABELS, world.now)
        world.settle(2)
        assert (finished(world), len(world.hand.touches)) == (["unverified"], 1)


def test_what_was_refused_is_not_done_later(none_left):
    done: list[int] = []
    hands = Hands("work")
    none_left.set()
    with pytest.raises(RuntimeError):
        hands.start(Task(done.append, 1))
    none_left.clear()
    after = Task(done.append, 2)
    hands.start(after)
    assert after.wait(10)
    assert done == [2]
