"""Somebody sets the clock: no hold ends early because of that, and none lasts longer."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from bridge.ledger import controls
from bridge.ledger.schema import escalations, meta, runs
from bridge.steady import TOLERANCE_SECONDS, SteadyClock, boot_id, since_boot
from tests.bridge.durability.bridge_world import START, World, opened

DAY, YEAR = 86400, 365 * 86400
JUMPS = [-DAY, -90, 3600, 11 * YEAR]
CONFIGURATION = """
    limits: {concurrent: 4, runs_per_hour: 2, targets: {max: 50, window: 10m}}
    alertmanagers: [{url: "http://127.0.0.1:1"}]
    notifiers: {record: {kind: log}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{wait: {duration: 1ms}}]
        verify: none
        cooldown: 10m
        retry_delay: 4m
        flapping: {times: 2, within: 20m}
        escalate: [{unresolved_for: 30m, to: [record]}]
      - name: asks
        match: ['alertname="Ask"']
        steps: [{wait: {duration: 1ms}}]
        mode: approve
        approve_within: 10m
        verify: none
    """


def labels(host="web-1", name="Down", **more):
    return {"alertname": name, "instance": f"{host}:9100", **more}


@pytest.fixture
def world(tmp_path):
    """Time is what counts here, not what a disk has: where memory can hold the ledger, it does."""
    memory = Path("/dev/shm")
    place = memory if memory.is_dir() else tmp_path
    with TemporaryDirectory(dir=place) as folder, opened(Path(folder), CONFIGURATION) as made:
        yield made


def run_and_resolve(world: World, which: dict[str, str]) -> None:
    began = world.clock()
    world.fire(which, began)
    world.settle(2)
    world.advance(1)
    world.resolve(which, began)
    world.advance(1)


def cooling_down(world: World) -> Callable[[], bool]:
    run_and_resolve(world, labels(check="a"))
    world.fire(labels(check="a", again="yes"), world.clock())
    return lambda: len(world.hand.touches) == 2


def retrying(world: World) -> Callable[[], bool]:
    world.hand.fails = True
    world.fire(labels(), world.clock())
    world.settle(1)
    return lambda: len(world.hand.touches) >= 2


def paused(world: World) -> Callable[[], bool]:
    until = world.clock() + 600
    world.write(lambda c: controls.set_pause(c, "", "moving", until, world.clock()))
    world.fire(labels(), world.clock())
    return lambda: len(world.hand.touches) == 1


def awaiting(world: World) -> Callable[[], bool]:
    world.fire(labels(name="Ask"), world.clock())
    return lambda: world.rows(runs)[0].outcome == "denied"


def limited(world: World) -> Callable[[], bool]:
    for host in ("web-1", "web-2", "web-3"):
        world.fire(labels(host), world.clock())
        world.settle(2)
    return lambda: len(world.hand.touches) == 3


def flapping(world: World) -> Callable[[], bool]:
    for _ in range(2):
        run_and_resolve(world, labels(check="x"))
    world.hand.touches.clear()
    world.fire(labels(check="x"), world.clock())
    return lambda: bool(world.hand.touches)


def unresolved(world: World) -> Callable[[], bool]:
    world.fire(labels(), world.clock())
    return lambda: bool(world.rows(escalations))


def returning(world: World) -> Callable[[], bool]:
    began = world.clock()
    world.fire(labels(), began)
    world.settle(2)
    world.resolve(labels(), began)
    world.advance(4000)
    world.fire(labels(), began)
    return lambda: len(world.hand.touches) == 2


HOLDS = {
    cooling_down: 600,
    retrying: 240,
    paused: 600,
    awaiting: 600,
    limited: 3600,
    flapping: 1196,
    unresolved: 1800,
    returning: 15,
}
"""What is held, and for how many seconds."""
SLACK = 70
"""A reason that ends by itself is seen at the next look, a minute later at most."""


def set_the_clock(world: World, jump: float, how: str) -> None:
    if how == "while it works":
        world.now += jump
        return
    world.end()
    world.now += jump
    world.begin()


@pytest.mark.parametrize("how", ["while it works", "while it is down"])
@pytest.mark.parametrize("jump", JUMPS)
@pytest.mark.parametrize("hold", HOLDS, ids=lambda hold: hold.__name__)
def test_a_hold_lasts_as_long_as_it_was_meant_to(world: World, hold, jump: float, how: str) -> None:
    over = hold(world)
    world.settle(1)
    first = min(HOLDS[hold] / 2, 100)
    world.advance(first)
    set_the_clock(world, jump, how)
    world.settle(1)
    rest = HOLDS[hold] - first
    for _ in range(4):
        assert not over(), "it ended early"
        world.advance(rest / 4 - 1)
        world.settle(1)
    assert not over(), "it ended early"
    for seconds in (5, SLACK / 2, SLACK / 2):
        world.advance(seconds)
        world.settle(2)
    assert over(), "it lasts longer than it was meant to"


@pytest.mark.parametrize("jump", [-DAY, -90])
@pytest.mark.parametrize("hold", [h for h in HOLDS if h is not flapping], ids=lambda hold: hold.__name__)
def test_over_another_start_of_the_machine_a_clock_that_is_behind_holds_nothing_longer(world, hold, jump) -> None:
    """Nobody knows then how long it was off: holds may begin anew, but they end. One that is ahead ends them early."""
    over = hold(world)
    world.settle(1)
    world.end()
    world.boot = "2"
    world.now += jump
    world.monotonic = 5.0
    world.begin()
    for _ in range((HOLDS[hold] + 600) // 50):
        world.settle(1)
        world.advance(50)
    world.settle(2)
    assert over()


def test_times_keep_their_order_and_length_when_the_clock_is_set(world: World) -> None:
    world.hand.fails = True
    world.fire(labels(), world.clock())
    world.settle(1)
    (before,) = world.rows(runs)
    world.now += DAY
    world.round()
    (after,) = world.rows(runs)
    for name in ("created_at", "slot_at", "started_at", "due_at"):
        assert getattr(after, name) - getattr(before, name) == pytest.approx(DAY, abs=1)
    assert world.clock() == pytest.approx(world.now)


@pytest.mark.parametrize("how", ["while it works", "while it is down"])
def test_a_wrong_year_forgets_neither_the_record_nor_a_backup(world: World, how: str) -> None:
    """It once dropped, within half a minute, all that was older than the longest window."""
    run_and_resolve(world, labels())
    kept = world.folder / "1"
    kept.mkdir()
    os.utime(kept, (START, START))
    world.advance(2 * DAY)
    for jump in (YEAR, 0, -YEAR):
        set_the_clock(world, jump, how)
        for _ in range(3):
            world.settle(1)
            world.advance(31)
        assert (len(world.rows(runs)), kept.is_dir()) == (1, True)
    world.advance(90 * DAY)
    world.settle(2)
    assert (len(world.rows(runs)), kept.is_dir()) == (0, False)


def test_what_is_kept_longer_because_of_the_clock_is_dropped_when_it_is_that_old(world: World) -> None:
    run_and_resolve(world, labels())
    world.advance(DAY)
    world.now += YEAR
    for days in (88, 3):
        world.settle(1)
        assert world.rows(runs)
        world.advance(days * DAY)
    world.settle(2)
    assert not world.rows(runs)


def test_while_the_ledger_cannot_follow_the_clock_stays_where_it_was(world: World) -> None:
    world.fire(labels(), world.clock())
    world.now += DAY
    world.ledger.full = True
    with pytest.raises(Exception, match="disk is full"):
        world.round()
    assert world.clock() == pytest.approx(START)
    world.ledger.full = False
    world.round()
    assert world.clock() == pytest.approx(START + DAY)


@pytest.mark.parametrize("value", ["", "1", "1 x y", "1 2", "2 3 4", "1 2 3 4"])
def test_what_was_noted_of_the_clock_may_be_anything(world: World, value: str) -> None:
    world.write(lambda c: c.execute(meta.update().where(meta.c.key == "clock").values(value=value)))
    world.end()
    world.begin()
    assert world.clock() == START


def test_a_steady_clock_follows_what_is_no_jump_and_nothing_else() -> None:
    wall, passed = 1000.0, 0.0
    clock = SteadyClock(lambda: wall, lambda: passed, lambda: "")
    wall, passed = 1010.5, 10.0
    assert (clock(), clock.jump(), clock()) == (1010.0, 0.0, 1010.5)
    wall = 5000.0
    assert (clock(), clock.jump(), clock()) == (1010.5, 3989.5, 1010.5)
    clock.move(3989.5)
    assert (clock(), clock.jump()) == (5000.0, 0.0)
    wall -= 2 * TOLERANCE_SECONDS
    assert (clock.jump(), clock()) == (-2.0, 5000.0)


def test_the_machines_own_clocks() -> None:
    assert boot_id() == Path("/proc/sys/kernel/random/boot_id").read_text().strip() != ""
    assert since_boot() <= since_boot()
