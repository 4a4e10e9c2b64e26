"""Where nobody is asked first, a little that is new is decided in the transaction that records it."""

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule
from sqlalchemy import insert

from bridge.decision import gates
from bridge.decision.intake import Intake
from bridge.decision.payload import fingerprint, parse_notification
from bridge.ledger.schema import attempts, decisions, runs, steps
from bridge.ledger.store import LedgerError
from tests.bridge.durability.bridge_world import Killed, opened
from tests.bridge.durability.test_any_history import LABELS, AnyHistory, at_most
from tests.bridge.durability.test_scenes import configuration, labels
from tests.bridge.world import alert, notification, when

LIMITS = "limits: {concurrent: 20, runs_per_hour: 100, targets: {max: 50}}"


@pytest.fixture
def world(tmp_path):
    with opened(tmp_path, configuration(limits=LIMITS)) as it:
        it.asks_nobody = True
        yield it


def fire(world, *numbers):
    return world.notify(*(alert(labels(f"web-{number}"), starts_at=world.now) for number in numbers))


def test_one_alert_is_a_run_with_its_first_step_when_it_is_acknowledged(world):
    receipt = fire(world, 1)
    assert len(world.workers.waiting) == 1
    assert [(step.position, step.ended_at) for step in world.rows(steps)] == [(0, None)]
    assert world.verdicts() == {"web-1": "run"}
    assert receipt.decided == {("down", "run"): 1}
    assert not receipt.waits, "no round has anything to look at"
    world.work()
    assert [touch.host for touch in world.hand.touches] == ["web-1"]


def test_what_is_over_within_the_transaction_is_not_begun(world):
    fires = alert(labels("web-1"), starts_at=world.now)
    over = alert(labels("web-1"), status="resolved", starts_at=world.now, endsAt=when(world.now))
    receipts = world.notify_together(*(parse_notification(notification(each)) for each in (fires, over)))
    assert [receipt.answer()["accepted"] for receipt in receipts] == [1, 0]
    assert not world.workers.waiting
    world.settle(2)
    assert world.verdicts() == {"web-1": "resolved"}
    assert not world.hand.touches


def test_of_notifications_that_share_a_transaction_a_few_are_decided(world):
    """Each sender is told of its own; which of them still waits is known."""
    each = [parse_notification(notification(alert(labels(f"web-{n}"), starts_at=world.now))) for n in (1, 2)]
    receipts = world.notify_together(*each)
    assert [(receipt.accepted, receipt.waits) for receipt in receipts] == 2 * [(1, False)]
    assert len(world.workers.waiting) == 2


def test_what_is_held_waits_for_its_round(world):
    fire(world, 1)
    receipt = world.notify(alert({**labels("web-1"), "check": "another"}, starts_at=world.now))
    assert (len(world.workers.waiting), receipt.waits) == (1, True)
    assert receipt.decided == {("down", "target_busy"): 1}


def test_many_are_left_to_a_round(world):
    receipt = fire(world, 1, 2, 3)
    assert (len(world.workers.waiting), receipt.waits) == (0, True)
    world.settle(2)
    assert len(world.hand.touches) == 3


def test_a_few_beside_others_that_wait_are_left_to_the_same_round(world):
    fire(world, 1, 2, 3)
    fire(world, 4)
    assert not world.workers.waiting
    world.settle(2)
    assert len(world.hand.touches) == 4


def test_the_pause_file_holds(world):
    pause = world.folder / "PAUSE"
    pause.touch()
    fire(world, 1)
    assert not world.workers.waiting
    world.settle(2)
    assert world.verdicts() == {"web-1": "paused"}
    pause.unlink()
    world.settle(2)
    assert len(world.hand.touches) == 1


def test_nothing_begins_once_the_bridge_is_ending(world):
    world.dispatcher.stop(0)
    fire(world, 1)
    assert not world.workers.waiting
    assert not world.rows(runs)


def test_a_mistake_loses_no_notification_and_is_found_by_the_round(world, monkeypatch):
    """The mistake is put in by hand: there is none that we know of."""

    decide = gates.decide

    def mistaken(case, *asked):
        if not asked:
            raise KeyError("any")
        return decide(case, *asked)

    with monkeypatch.context() as broken:
        broken.setattr(gates, "decide", mistaken)
        receipt = fire(world, 1)
    assert (receipt.accepted, len(world.workers.waiting), receipt.waits) == (1, 0, True)
    assert not world.rows(runs), "what the mistake had begun is undone"
    assert [row.decision for row in world.rows(decisions)] == ["pending"]
    world.settle(2)
    assert len(world.hand.touches) == 1


@pytest.mark.parametrize("made_ready", [False, True])
def test_what_is_undone_is_not_begun_though_it_was_made_ready(world, made_ready):
    taken = parse_notification(notification(alert(labels("web-1"), starts_at=world.now)))

    def undone(connection):
        look = world.dispatcher.first_look(connection, world.policy, world.now, [taken])
        Intake(connection, world.policy, world.now, look).take(taken)
        if not made_ready:
            raise KeyError("any")
        connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        connection.execute(insert(attempts).values(run_id=99, number=1, started_at=0.0))  # so that the commit fails

    with pytest.raises(LedgerError if made_ready else KeyError):
        world.ledger.write(undone)
    assert len(world.workers.waiting) == made_ready
    fire(world, 2)
    world.work()
    assert [(touch.run, touch.host) for touch in world.hand.touches] == [(1, "web-2")], "it has the number of the other"
    assert [run.state for run in world.rows(runs)] == ["ended"]


@pytest.mark.parametrize("after", [False, True])
def test_killed_at_that_write_nothing_is_lost_and_nothing_runs_twice(world, after):
    world.ledger.lives, world.ledger.after = 0, after
    with pytest.raises(Killed):
        fire(world, 1)
    world.end()
    world.begin()
    if not after:
        assert fire(world, 1).accepted == 1, "it was never acknowledged, so it is sent again"
    else:
        assert fire(world, 1).duplicates == 1
    world.settle(3)
    assert [run.state for run in world.rows(runs)] == ["ended"]
    assert len(world.hand.touches) == (0 if after else 1), "a step that was journalled is not idempotent: it is shown"


class NobodyIsAsked(AnyHistory):
    """Any history, with nobody to ask: no silence, nothing stale, and an alert is over when a notification says so."""

    silence_or_not = alertmanager_goes_or_comes = an_old_notification_comes_again = None

    @initialize()
    def begin(self) -> None:
        AnyHistory.begin(self)
        self.world.asks_nobody = True

    @precondition(lambda self: self.starts)
    @rule(data=st.data())
    def is_over(self, data) -> None:
        labels = data.draw(st.sampled_from([each for each in LABELS if fingerprint(each) in self.starts]))
        self.world.advance(1)
        self.world.resolve(labels, self.starts.pop(fingerprint(labels)))
        self.world.advance(1)  # what begins at that very moment could be stale


TestNobodyIsAsked = NobodyIsAsked.TestCase
TestNobodyIsAsked.settings = at_most(10, 40)
