"""A run by hand over crashes: what was asked for is run once, or refused when it was asked for too long ago."""

from pathlib import Path

import pytest

from bridge.decision import by_hand
from bridge.ledger.schema import decisions, episodes, runs
from tests.bridge.durability.bridge_world import Killed, World, opened

CONFIGURATION = """
    alertmanagers: [{url: "http://127.0.0.1:1"}]
    remediations:
      - {name: down, match: 'alertname="Down"', verify: none, max_retries: 0, steps: [{wait: {duration: 1ms}}]}
"""


def asked(world: World) -> None:
    """Ask for a run, as the HTTP side does."""
    wish = by_hand.wish(world.policy.remediations[0], "web-1", {}, "ann")
    world.ledger.write(lambda connection: by_hand.ask(connection, wish, world.now))


@pytest.mark.parametrize("after", [False, True], ids=["before the write", "after it"])
@pytest.mark.parametrize("lives", range(6))
def test_killed_at_any_write_it_is_never_run_twice(tmp_path: Path, lives: int, after: bool) -> None:
    with opened(tmp_path, CONFIGURATION) as world:
        asked(world)
        world.ledger.lives, world.ledger.after = lives, after
        try:
            world.settle()
        except Killed:
            world.end()
            world.advance(2)
            world.begin()
            world.settle()
        (run,) = world.rows(runs)
        (episode,) = world.rows(episodes)
        assert len(world.hand.touches) <= 1
        assert (run.state, run.outcome in ("unverified", "interrupted")) == ("ended", True)
        assert bool(world.hand.touches) or run.outcome == "interrupted"
        assert episode.state == "closed"


def test_after_too_long_a_time_nobody_expects_it_any_more(tmp_path: Path) -> None:
    with opened(tmp_path, CONFIGURATION) as world:
        asked(world)
        world.end()
        world.advance(by_hand.WITHIN_SECONDS + 1)
        world.begin()
        world.settle()
        assert (world.rows(runs), world.hand.touches) == ([], [])
        (decision,) = world.rows(decisions)
        assert (decision.decision, decision.due_at) == ("denied", None)
        assert "it was asked for 61 s ago" in decision.reason


def test_it_is_decided_though_no_alertmanager_answers(tmp_path: Path) -> None:
    with opened(tmp_path, CONFIGURATION) as world:
        world.answers = False
        asked(world)
        world.settle()
        assert len(world.hand.touches) == 1
