"""What a crash left in the middle of an attempt, where going on is not as simple as with the next step."""

import subprocess
from collections.abc import Iterator
from dataclasses import replace

import pytest
from sqlalchemy import update

from bridge.escalation import stories
from bridge.ledger import journal
from bridge.ledger.schema import escalations, runs, steps
from bridge.run.survivors import birth
from tests.bridge.durability.bridge_world import Touch, World, opened
from tests.bridge.world import policy

CONFIGURATION = """
    alertmanagers: [{{url: "http://127.0.0.1:1"}}]
    notifiers: {{record: {{kind: log}}}}
    remediations:
      - name: {name}
        match: ['alertname="Down"']
        steps: [{{wait: {{duration: 1ms}}}}, {{wait: {{duration: 1ms}}}}]
        verify: none
        max_retries: 0
        on_step_failure: continue
        escalate: [{{after_attempts: 1, to: [record]}}]
    """
LABELS = {"alertname": "Down", "instance": "web-1:9100"}


@pytest.fixture
def world(tmp_path) -> Iterator[World]:
    with opened(tmp_path, CONFIGURATION.format(name="down")) as made:
        yield made


class Ending(list[Touch]):
    """The bridge begins to end while a step is under way."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def append(self, touch: Touch) -> None:
        super().append(touch)
        self._world.dispatcher._runner.closing.set()


def test_an_attempt_that_goes_on_after_a_failed_step_goes_on_after_a_crash_too(world):
    """A step that failed and was to keep no other from running: the next may be what starts the service again."""
    world.hand.fails = world.hand.once = True
    world.fire(LABELS, world.now)
    world.round()
    world.hand.touches = Ending(world)
    world.work()
    assert [row.outcome for row in world.rows(steps)] == ["failed"]
    world.end()
    world.begin()
    world.settle(3)
    assert [row.outcome for row in world.rows(steps)] == ["failed", "succeeded"]
    (run,) = world.rows(runs)
    assert (run.outcome, run.reason) == ("failed", "the step recorded failed: it was told to fail")


def test_what_a_remediation_that_is_gone_left_running_is_ended_and_on_record(world):
    world.fire(LABELS, world.now)
    world.round()
    left = subprocess.Popen(["/usr/bin/sleep", "60"], start_new_session=True)
    try:
        world.write(lambda c: c.execute(update(steps).values(pid=left.pid, born=birth(left.pid))) and None)
        world.end()
        world.policy = world.with_recorded_steps(policy(CONFIGURATION.format(name="renamed"), world.policy.ledger_file))
        world.begin()
        world.settle(3)
        assert left.poll() is not None
    finally:
        left.kill()
        left.wait()
    (step,), (run,) = world.rows(steps), world.rows(runs)
    assert (step.outcome, run.outcome) == ("interrupted", "interrupted")
    assert not world.hand.touches


def test_an_attempt_does_not_go_on_with_steps_that_are_others_now(world):
    """One was put before those that it had: what stands second by now was done already, as the first."""
    world.fire(LABELS, world.now)
    world.round()
    world.hand.touches = Ending(world)
    world.work()
    world.end()
    (down,) = world.policy.remediations
    more = (replace(down.steps[0], action="before"), *down.steps)
    world.policy = replace(world.policy, remediations=(replace(down, steps=more),))
    world.begin()
    world.settle(3)
    assert len(world.hand.touches) == 1
    (run,) = world.rows(runs)
    assert run.outcome == "interrupted"
    assert world.rows(escalations)


@pytest.mark.parametrize("story", [True, False], ids=["told", "nor can people be told"])
def test_what_cannot_be_taken_up_is_ended_and_told(world, monkeypatch, story):
    """Nobody heard of a run that ended so. The mistake is put in by hand: there is none that we know of."""

    def mistaken(*_: object) -> None:
        raise KeyError("a mistake")

    world.fire(LABELS, world.now)
    world.round()
    world.end()
    monkeypatch.setattr(journal, "of_attempt", mistaken)
    if not story:
        monkeypatch.setattr(stories, "story", mistaken)
    world.begin()
    (run,) = world.rows(runs)
    reason = "the bridge made a mistake when it took it up: KeyError: 'a mistake'"
    assert (run.outcome, run.reason) == ("failed", reason)
    assert [reason in row.title for row in world.rows(escalations)] == [True] * story
