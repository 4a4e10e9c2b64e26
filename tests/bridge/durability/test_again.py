"""Another configuration, by a reload or by a start with it: what was decided with the one before is decided anew."""

import re
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bridge.decision.gates import Verdict
from bridge.ledger.schema import attempts, decisions, runs, steps
from bridge.policy.remediation import Step
from tests.bridge.durability.bridge_world import opened, recording
from tests.bridge.durability.test_options import CONFIGURATION, LABELS
from tests.bridge.world import policy

OTHER = {**LABELS, "alertname": "Other"}
RELOADS = {
    "off, then on": ("mode: off", LABELS, Verdict.DISABLED, "mode: auto"),
    "auto_fix false, then true": ("auto_fix: false", LABELS, Verdict.DISABLED, "auto_fix: true"),
    "no match, then one": ("max_retries: 1", OTHER, Verdict.NO_MATCH, "max_retries: 1"),
    "no target, then one": (
        'target: "{{ labels.gone }}"',
        LABELS,
        Verdict.NO_TARGET,
        'target: "{{ labels.instance }}"',
    ),
    "dry_run has led to a run, and stays": ("mode: dry_run", LABELS, Verdict.DRY_RUN, "mode: auto"),
}


def reload(world, text):
    world.adopt(world.with_recorded_steps(policy(text, world.folder / "ledger.db")))


def start_anew(world, text):
    world.end()
    world.policy = world.with_recorded_steps(policy(text, world.folder / "ledger.db"))
    world.begin()


HOW = pytest.mark.parametrize("change", [reload, start_anew])


@HOW
@pytest.mark.parametrize("row", RELOADS.values(), ids=RELOADS)
def test_a_no_without_a_run_is_decided_again(tmp_path, row, change):
    before, labels, verdict, after = row
    with opened(tmp_path, CONFIGURATION.format(extra=before)) as world:
        world.fire(labels, world.now)
        world.settle(2)
        (current,) = world.rows(decisions, decisions.c.current)
        assert (current.decision, world.hand.touches) == (verdict, [])
        text = CONFIGURATION.format(extra=after).replace('alertname="Down"', 'alertname=~"Down|Other"')
        change(world, text)
        world.settle(2)
        assert bool(world.hand.touches) == (verdict is not Verdict.DRY_RUN)
        assert len(world.rows(decisions, decisions.c.current)) == 1


@HOW
@pytest.mark.parametrize(
    ("was", "now", "verdict"),
    [
        ('"Down"', '"Other"', Verdict.NO_MATCH),
        ("mode: auto", "mode: off", Verdict.DISABLED),
        ("mode: auto", "target: other", Verdict.RUN),
    ],
    ids=["it is not for this alert any more", "it is off", "its target is another one"],
)
def test_what_was_held_is_not_run_for_a_configuration_that_is_gone(tmp_path, was, now, verdict, change):
    text = CONFIGURATION.format(extra="mode: auto")
    with opened(tmp_path, text) as world:
        pause = tmp_path / "PAUSE"
        pause.touch()
        world.fire(LABELS, world.now)
        world.settle(2)
        change(world, text.replace(was, now))
        pause.unlink()
        world.settle(3)
        (row,) = world.rows(decisions, decisions.c.current)
        assert row.decision == verdict
        assert [touch.target for touch in world.hand.touches] == (["other"] * 2 if verdict is Verdict.RUN else [])


SWITCHED_OFF = {
    "off": ("mode: off", Verdict.DISABLED, "the mode of down is off"),
    "without steps": ("auto_fix: false", Verdict.DISABLED, "down says auto_fix: false"),
    "only tried out": ("mode: dry_run", Verdict.DRY_RUN, "the mode is dry_run: nothing is changed"),
}


@HOW
@pytest.mark.parametrize(("now", "verdict", "why"), SWITCHED_OFF.values(), ids=SWITCHED_OFF)
def test_what_was_switched_off_is_not_tried_again(tmp_path, now, verdict, why, change):
    text = CONFIGURATION.format(extra="mode: auto")
    with opened(tmp_path, text) as world:
        world.hand.fails = True
        world.fire(LABELS, world.now)
        world.settle(2)
        text = text.replace("mode: auto", now)
        change(world, re.sub(r"steps: .*", "steps: []", text) if "auto_fix" in now else text)
        world.advance(61)
        world.settle(2)
        (run,) = world.rows(runs)
        assert (len(world.hand.touches), run.attempts, run.outcome, run.reason) == (1, 1, "cancelled", why)
        (row,) = world.rows(decisions, decisions.c.current)
        assert (row.decision, row.due_at) == (verdict, None)


@pytest.mark.parametrize(("change", "second"), [(reload, "recorded"), (start_anew, "other")])
def test_the_journal_names_the_step_that_is_done(tmp_path, change, second):
    """After a reload that is one of the policy with which the run started."""
    with opened(tmp_path, CONFIGURATION.format(extra="mode: auto")) as world:
        world.hand.fails = True
        world.fire(LABELS, world.now)
        world.settle(2)
        kind = recording(world.hand)
        world.with_recorded_steps = lambda other: replace(
            other, remediations=tuple(replace(r, steps=(Step("other", kind, {}),)) for r in other.remediations)
        )
        change(world, CONFIGURATION.format(extra="mode: auto"))
        world.advance(61)
        world.settle(2)
        assert [row.action for row in world.rows(steps)] == ["recorded", second]
        assert world.rows(attempts)[1].verification == f"the step {second} failed: it was told to fail"


@HOW
def test_what_a_limit_held_is_looked_at_with_the_new_one(tmp_path, change):
    text = CONFIGURATION.format(extra="cooldown: 5h")
    with opened(tmp_path, text) as world:
        for number in range(2):
            world.fire({**LABELS, "number": str(number)}, world.now)
            world.settle(2)
        world.advance(2)
        assert set(world.verdicts().values()) == {Verdict.COOLDOWN}
        change(world, text.replace("5h", "1s"))
        world.settle(2)
        assert len({touch.run for touch in world.hand.touches}) == 2


@HOW
def test_of_several_remediations_only_what_had_no_run_is_decided_again(tmp_path, change):
    text = """
    remediations:
      - {name: first, match: 'alertname="Down"', continue: true, steps: [{wait: {duration: 1ms}}], verify: none}
      - {name: then, match: 'alertname="Down"', mode: off, steps: [{wait: {duration: 1ms}}], verify: none}
    """
    with opened(tmp_path, text) as world:
        world.fire(LABELS, world.now)
        world.settle(2)
        change(world, text.replace("mode: off", "mode: auto").replace("continue: true", "continue: true, mode: off"))
        world.settle(3)
        assert [row.remediation for row in world.rows(runs)] == ["first", "then"]
        more = text.replace("mode: off", "mode: auto").replace("then,", "late,")
        change(world, more)
        world.settle(3)
        assert len(world.rows(runs)) == 2, "what was chosen then has done its work"


def test_a_start_or_a_reload_with_the_same_configuration_tells_nobody_anything(tmp_path):
    with opened(tmp_path, CONFIGURATION.format(extra="mode: off")) as world:
        world.fire(LABELS, world.now)
        world.settle(2)
        before = world.rows(decisions)
        receipt = world.adopt(world.policy)
        assert (receipt.news, receipt.decided.total()) == ([], 0)
        with capture_logs() as lines:
            world.end()
            world.begin()
        assert "decided" not in [line["event"] for line in lines]
        assert world.rows(decisions) == before
