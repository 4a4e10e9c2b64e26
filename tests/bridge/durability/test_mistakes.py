"""A mistake of the bridge on one episode or one run: that one is held or ended with what went wrong, others go on."""

import itertools

import pytest

from bridge.decision import gates
from bridge.decision.due import Due
from bridge.ledger import journal
from bridge.ledger.schema import decisions, runs
from tests.bridge.durability.bridge_world import opened
from tests.bridge.durability.test_scenes import configuration, labels


@pytest.fixture
def world(tmp_path):
    with opened(
        tmp_path, configuration(limits="limits: {concurrent: 20, runs_per_hour: 100, targets: {max: 50}}")
    ) as it:
        yield it


@pytest.mark.parametrize("sizes", list(itertools.product(range(4), repeat=3)))
def test_halves_are_two_and_lose_nothing(sizes):
    held, waiting, returning = ([f"{kind}{i}" for i in range(n)] for kind, n in zip("hwr", sizes, strict=True))
    due = Due(held, waiting, returning)
    if due.count < 2:
        return
    first, rest = due.halves()
    assert min(first.count, rest.count) > 0
    assert (first.held + rest.held, first.waiting + rest.waiting) == (held, waiting)
    assert first.returning + rest.returning == returning


def test_one_bad_episode_is_held_with_the_reason_and_the_others_run(world, monkeypatch):
    """The mistake is put in by hand: there is none that we know of."""
    decide = gates.decide

    def mistaken(case, *asked):
        if case.host == "web-3":
            raise KeyError("web-3")
        return decide(case, *asked)

    for number in range(7):
        world.fire(labels(f"web-{number}"), world.now)
    monkeypatch.setattr(gates, "decide", mistaken)
    world.settle(2)
    assert {touch.host for touch in world.hand.touches} == {f"web-{n}" for n in range(7)} - {"web-3"}
    (held,) = world.rows(decisions, decisions.c.current, decisions.c.host == "web-3")
    assert (held.decision, held.due_at) == ("mistake", world.now + 60)
    assert held.reason == "the bridge made a mistake and looks again in a minute: KeyError: 'web-3'"
    monkeypatch.undo()
    world.advance(61)
    world.settle(2)
    assert len(world.hand.touches) == 7


def test_one_bad_retry_is_held_and_goes_on_later(world, monkeypatch):
    world.hand.fails = True
    world.fire(labels(), world.now)
    world.settle(2)
    world.hand.fails = False
    world.advance(61)
    monkeypatch.setattr(gates, "decide", lambda *_: 1 / 0)
    world.settle(2)
    assert world.verdicts() == {"web-1": "mistake"}
    monkeypatch.undo()
    world.advance(61)
    world.settle(2)
    assert len(world.hand.touches) == 2


def test_one_run_that_cannot_be_taken_up_keeps_no_other_from_it(world, monkeypatch):
    for number in range(3):
        world.fire(labels(f"web-{number}"), world.now)
    world.round()
    world.end()
    of_attempt = journal.of_attempt

    def mistaken(connection, run_id, attempt):
        if run_id == 2:
            raise KeyError(run_id)
        return of_attempt(connection, run_id, attempt)

    monkeypatch.setattr(journal, "of_attempt", mistaken)
    world.begin()
    found = {row.id: (row.outcome, row.reason) for row in world.rows(runs)}
    assert found[2] == ("failed", "the bridge made a mistake when it took it up: KeyError: 2")
    assert found[1][0] == found[3][0] == "interrupted"
