"""Checks run in the background, and none of them can hold up another, a scrape or the end."""

import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta

import pytest

from exporters.checks.base import Check, CheckContext, CheckResult, Status, healthy, unhealthy
from exporters.probing import NotProbedError
from exporters.run import Run
from exporters.schedule import RETRY_SECONDS, Schedule, Standing, UnknownCheckError


class Scripted(Check):
    """A check that does what the test says."""

    kind: str = "scripted"
    does: Callable[[CheckContext], CheckResult]

    def run(self, context: CheckContext) -> CheckResult:
        return self.does(context)


def check(
    name: str, does: Callable[[CheckContext], CheckResult], interval: float = 0.05, timeout: float = 0.1
) -> Check:
    return Scripted(name=name, does=does, interval=timedelta(seconds=interval), timeout=timedelta(seconds=timeout))


class Release(threading.Event):
    """Where hanging checks hang."""


@pytest.fixture
def release() -> Iterator[Release]:
    event = Release()
    yield event
    event.set()


@pytest.fixture
def running() -> Iterator[Callable[..., Schedule]]:
    schedules: list[Schedule] = []

    def run(*checks: Check, before: dict[str, Standing] | None = None) -> Schedule:
        schedule = Schedule(checks, time, before)
        schedules.append(schedule)
        schedule.start()
        return schedule

    yield run
    for schedule in schedules:
        schedule.stop()


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come"
        time.sleep(0.005)


def hangs(release: Release) -> Callable[[CheckContext], CheckResult]:
    def does(_context: CheckContext) -> CheckResult:
        release.wait(20)
        return healthy("at last")

    return does


def raises(_context: CheckContext) -> CheckResult:
    raise ValueError("it fell over")


def test_hanging_checks_delay_nobody(running: Callable[..., Schedule], release: Release) -> None:
    """Forty that hang, more than may run at once, and one that does not."""
    ran = threading.Semaphore(0)

    def fine(_context: CheckContext) -> CheckResult:
        ran.release()
        return healthy("fine")

    hanging = [check(f"hangs{n}", hangs(release)) for n in range(40)]
    schedule = running(*hanging, check("fine", fine))
    for _ in range(5):
        assert ran.acquire(timeout=5)
    wait_for(lambda: all(schedule.standings()[f"hangs{n}"].failures >= 2 for n in range(40)))
    standing = schedule.standings()["hangs7"]
    assert standing.last is not None
    assert standing.last.result.status is Status.UNKNOWN
    began = time.monotonic()
    schedule.stop()
    assert time.monotonic() - began < 2, "the end does not wait for them"


def test_a_check_that_hung_runs_again_when_it_comes_back(running: Callable[..., Schedule], release: Release) -> None:
    schedule = running(check("hangs", hangs(release)))
    wait_for(lambda: schedule.standings()["hangs"].failures >= 2)
    with pytest.raises(NotProbedError, match="still hanging"):
        schedule.probe("hangs", 1)
    release.set()
    wait_for(lambda: schedule.standings()["hangs"].failures == 0)


def test_what_a_check_raises_is_unknown_and_counts_as_failing(running: Callable[..., Schedule]) -> None:
    schedule = running(check("raises", raises))
    wait_for(lambda: schedule.standings()["raises"].failures >= 3)
    last = schedule.standings()["raises"].last
    assert last is not None
    assert (last.result.status, last.result.message) == (Status.UNKNOWN, "it fell over")


def test_the_last_run_is_dated_by_its_start(running: Callable[..., Schedule]) -> None:
    """The bridge takes a run as proof of a fix only if it began after the fix."""
    in_run, go_on = threading.Event(), threading.Event()

    def slow(_context: CheckContext) -> CheckResult:
        in_run.set()
        go_on.wait(5)
        return healthy("done")

    schedule = running(check("slow", slow, interval=60, timeout=20))
    assert in_run.wait(5)
    fixed_at = time.time()
    go_on.set()
    wait_for(lambda: schedule.standings()["slow"].last is not None)
    last = schedule.standings()["slow"].last
    assert last is not None
    assert last.started_at < fixed_at


@pytest.mark.parametrize(
    ("interval", "result", "pause"),
    [(60, unhealthy("no"), RETRY_SECONDS), (60, healthy("yes"), 60), (5, unhealthy("no"), 5)],
)
def test_a_failing_check_runs_again_soon(interval: float, result: CheckResult, pause: float) -> None:
    """On a clock that is moved by hand."""
    clock = HandClock()
    ran = threading.Semaphore(0)

    def does(_context: CheckContext) -> CheckResult:
        ran.release()
        return result

    schedule = Schedule([check("it", does, interval=interval, timeout=1)], clock)
    schedule.start()
    try:
        assert ran.acquire(timeout=5)
        wait_for(lambda: schedule.standings()["it"].last is not None)
        clock.now += pause - 0.5
        schedule.wake()
        assert not ran.acquire(timeout=0.2)
        clock.now += 1
        schedule.wake()
        assert ran.acquire(timeout=5)
    finally:
        schedule.stop()


def test_many_checks_that_begin_together_spread_out() -> None:
    """On a clock that stands still, so all of them begin and end at one moment."""
    clock = HandClock()
    checks = [check(f"check{number}", lambda _: healthy("fine"), interval=2) for number in range(100)]
    schedule = Schedule(checks, clock)
    schedule.start()
    try:
        wait_for(lambda: all(standing.last is not None for standing in schedule.standings().values()))
        again = [due - clock.now for due, _number, _name in schedule._due]
    finally:
        schedule.stop()
    assert len(again) == 100
    assert max(again) <= 2
    assert max(again) - min(again) > 1


class HandClock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = 1000.0

    def time(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.now


def test_a_reload_keeps_how_unchanged_checks_stand(running: Callable[..., Schedule]) -> None:
    same, other = check("same", raises, interval=60), check("other", raises, interval=60)
    run = Run(1.0, 0.1, unhealthy("no"))
    before = {"same": Standing(same, run, 4), "other": Standing(check("other", raises, interval=30), run, 4)}
    schedule = Schedule([same, other], time, before)
    assert {name: standing.failures for name, standing in schedule.standings().items()} == {"same": 4, "other": 0}


def test_probe(running: Callable[..., Schedule]) -> None:
    schedule = running(check("fine", lambda _: healthy("fine"), interval=60), check("raises", raises, interval=60))
    assert schedule.probe("fine", 1).result.status is Status.HEALTHY
    assert schedule.probe("raises", 1).result.status is Status.UNKNOWN
    with pytest.raises(UnknownCheckError):
        schedule.probe("nothing", 1)


def test_a_probe_gives_up_when_the_asker_would(running: Callable[..., Schedule], release: Release) -> None:
    schedule = running(check("hangs", hangs(release), interval=60, timeout=60))
    began = time.monotonic()
    assert schedule.probe("hangs", 0.1).result.status is Status.UNKNOWN
    assert time.monotonic() - began < 10


def test_a_probe_that_hangs_is_not_run_again_as_long_as_it_does(
    running: Callable[..., Schedule], release: Release
) -> None:
    schedule = running(check("hangs", hangs(release), interval=60, timeout=60))
    schedule.probe("hangs", 0.1)
    with pytest.raises(NotProbedError, match="still hanging"):
        schedule.probe("hangs", 0.1)
    release.set()
    wait_for(lambda: _status(schedule, "hangs") is Status.HEALTHY)


def test_probes_leave_room_and_end_with_the_rest(running: Callable[..., Schedule], release: Release) -> None:
    names = [f"hangs{number}" for number in range(20)]
    schedule = running(*(check(name, hangs(release), interval=60, timeout=60) for name in names))
    ended: list[Status | str] = []
    refused = threading.Semaphore(0)

    def ask(name: str) -> None:
        try:
            ended.append(schedule.probe(name, 30).result.status)
        except NotProbedError:
            ended.append("no room")
            refused.release()

    askers = [threading.Thread(target=ask, args=[name]) for name in names]
    for asker in askers:
        asker.start()
    for _ in range(12):
        assert refused.acquire(timeout=10)
    assert ended == ["no room"] * 12
    schedule.end_probes()
    for asker in askers:
        asker.join(10)
    assert ended[12:] == [Status.UNKNOWN] * 8


def _status(schedule: Schedule, name: str) -> Status | None:
    try:
        return schedule.probe(name, 1).result.status
    except NotProbedError:
        return None
