"""What waits when the bridge starts is decided before its caller goes on, unless somebody who is asked is slow."""

import threading

from bridge.ledger.schema import decisions
from tests.bridge.durability.bridge_world import opened
from tests.bridge.durability.test_options import CONFIGURATION, LABELS


def test_what_waits_is_decided_when_start_returns(tmp_path):
    with opened(tmp_path, CONFIGURATION.format(extra="")) as world:
        world.fire(LABELS, world.now)
        world.dispatcher.start()
        try:
            (current,) = world.rows(decisions, decisions.c.current)
        finally:
            world.dispatcher.stop(0)
        assert current.decision == "run"


def test_nobody_waits_for_who_is_slow_to_answer(tmp_path):
    answers = threading.Event()
    with opened(tmp_path, CONFIGURATION.format(extra="")) as world:
        at_once = world.dispatcher._ask

        def late(episodes):
            assert answers.wait(30)
            return at_once(episodes)

        world.dispatcher._ask = late
        world.fire(LABELS, world.now)
        world.dispatcher.start()
        try:
            (current,) = world.rows(decisions, decisions.c.current)
            assert current.decision == "pending"
        finally:
            answers.set()
            world.dispatcher.stop(0)
