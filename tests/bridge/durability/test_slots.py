"""Who waits for a slot gets one as soon as one is free, whatever becomes of those that were looked at before."""

import threading
from collections import Counter
from collections.abc import Callable

import pytest

from bridge.decision.payload import fingerprint
from bridge.hands import Hands
from bridge.ledger.schema import decisions, runs
from tests.bridge.durability.bridge_world import opened
from tests.e2e.waiting import wait_for

CONFIGURATION = """
    alertmanagers: []
    limits: {{concurrent: {slots}, runs_per_hour: 1000, targets: {{max: 1000, window: 10m}}}}
    defaults: {{cooldown: 0s, retry_delay: 60s}}
    remediations: [{{name: down, match: 'alertname="Down"', steps: [{{wait: {{duration: 1s}}}}], verify: none}}]
    """


def labels(number: int) -> dict[str, str]:
    return {"alertname": "Down", "instance": f"web-{number}:9100"}


@pytest.mark.parametrize("ended", [1, 10])
def test_what_is_over_when_it_is_woken_passes_its_slot_on(tmp_path, ended: int) -> None:
    """The others waited for their next look, a minute later, beside slots that were free."""
    with opened(tmp_path, CONFIGURATION.format(slots=10)) as world:
        for number in range(80):
            world.fire(labels(number), world.now)
        world.round()
        assert Counter(world.verdicts().values()) == {"run": 10, "limited": 70}
        for _ in range(ended):
            world.workers.work_one()
        world.advance(1)
        held = world.rows(decisions, decisions.c.current, decisions.c.decision == "limited")
        for row in (row for row in held if row.due_at <= world.now):
            world.resolve(labels(int(row.host.removeprefix("web-"))), world.now - 1)
        world.round()
        world.round()
        assert len(world.rows(runs, runs.c.state == "running")) == 10


def test_many_that_may_not_go_keep_one_that_may_from_it_for_few_rounds(tmp_path) -> None:
    """Each round asks Prometheus and every Alertmanager: a hundred retries that were silenced took twenty."""
    with opened(tmp_path, CONFIGURATION.format(slots=1)) as world:
        world.hand.fails = True
        for number in range(100):
            world.fire(labels(number), world.now)
        wait_for(lambda: world.settle(1) or len(world.rows(runs, runs.c.state == "waiting")) == 100)
        world.hand.fails = False
        world.fire(labels(1000), world.now)
        world.round()
        world.advance(61)
        world.round()
        world.fire(labels(2000), world.now)
        world.round()
        world.silenced = {fingerprint(labels(number)) for number in range(100)}
        world.work()
        rounds = 0
        while world.hand.touches[-1].host != "web-2000":
            world.settle(1)
            rounds += 1
        assert rounds < 10


def begun(world) -> None:
    """Let a run be handed to the crew, and forget the hand-over."""
    world.fire(labels(1), world.now)
    world.round()
    world.dispatcher._crew._under_way.clear()


def test_the_end_waits_for_all_that_is_under_way(tmp_path) -> None:
    with opened(tmp_path, CONFIGURATION.format(slots=1)) as world:
        begun(world)
        crew, gate, done, entered = world.dispatcher._crew, threading.Event(), [], threading.Event()
        crew._workers = Hands("run")
        run, remediation = world.under_way(), world.policy.remediations[0]
        crew.submit(run, remediation, lambda *_: done.append("first"))
        crew.submit(run, remediation, lambda *_: entered.set() or (gate.wait(30) and done.append("second")))
        assert entered.wait(10)
        ending = threading.Thread(target=crew.stop, args=(30,))
        ending.start()
        ending.join(0.1)
        assert ending.is_alive()
        gate.set()
        ending.join(10)
        assert sorted(done) == ["first", "second"]


@pytest.mark.parametrize("error", [ZeroDivisionError, SystemExit])
def test_a_run_whose_worker_fails_is_given_up(tmp_path, monkeypatch, error: Callable[..., BaseException]) -> None:
    """One that ended with what is no `Exception` kept its slot and its host until the bridge was started again."""
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    with opened(tmp_path, CONFIGURATION.format(slots=1)) as world:

        def fail(*_: object, **__: object) -> None:
            raise error("a mistake")

        world.dispatcher._crew._workers = Hands("run")
        monkeypatch.setattr(world.dispatcher._runner, "_step", fail)
        world.fire(labels(1), world.now)
        wait_for(lambda: world.round() or world.rows(runs)[0].outcome == "failed")
        assert "the bridge made a mistake" in world.rows(runs)[0].reason
