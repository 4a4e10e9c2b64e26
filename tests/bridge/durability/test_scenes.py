"""Single scenes: the clock jumps, a person forgets to approve, a file pauses everything, a fleet falls over at once."""

import pytest

from bridge.decision import operators
from bridge.decision.gates import Verdict
from bridge.decision.payload import fingerprint
from bridge.ledger import runs as runs_
from bridge.ledger.schema import decisions, episodes, escalations, runs, steps
from tests.bridge.durability.bridge_world import World, opened
from tests.bridge.world import alert, when

DAY = 86400


def labels(host="web-1", **more):
    return {"alertname": "Down", "instance": f"{host}:9100", **more}


def configuration(extra="", limits="limits: {concurrent: 4, runs_per_hour: 100, targets: {max: 50, window: 10m}}"):
    return f"""
    {limits}
    alertmanagers: [{{url: "http://127.0.0.1:1"}}]
    notifiers: {{record: {{kind: log}}}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{{wait: {{duration: 1ms}}}}]
        verify: none
        escalate: [{{after_attempts: 3, to: [record]}}]
        {extra}
    """


@pytest.fixture
def world(tmp_path, request):
    with opened(tmp_path, configuration(*getattr(request, "param", ()))) as made:
        yield made


def told(world: World) -> list[str]:
    return [row.level for row in world.rows(escalations)]


def come_back(world: World, times: int, pause: float = 400) -> None:
    for _ in range(times):
        began = world.now
        world.fire(labels(), began)
        world.settle(2)
        world.advance(10)
        world.resolve(labels(), began)
        world.advance(pause)


@pytest.mark.parametrize("jump", [-DAY, -3600, -60])
def test_no_hold_outlasts_its_configuration_after_the_clock_was_set_back(world, jump):
    world.fire(labels(check="a"), world.now)
    world.settle(2)
    world.fire(labels(check="a", again="1"), world.now)
    world.settle(2)
    assert world.verdicts() == {"web-1": Verdict.COOLDOWN}
    world.now += jump
    for _ in range(31):
        world.settle(2)
        world.advance(10)
    assert len(world.hand.touches) == 2


def test_a_waiting_retry_is_not_put_off_by_a_clock_that_was_set_back_while_the_bridge_was_down(world):
    world.hand.fails = True
    world.fire(labels(), world.now)
    world.settle(1)
    world.end()
    world.now -= DAY
    world.begin()
    world.advance(61)
    world.settle(1)
    assert len(world.hand.touches) == 2


@pytest.mark.parametrize("jump", [-DAY, DAY])
def test_a_jump_of_the_clock_starts_nothing_twice(world, jump):
    for host in range(5):
        world.fire(labels(f"web-{host}"), world.now)
    world.round()
    world.now += jump
    for _ in range(5):
        world.settle(2)
        world.advance(7)
    assert len(world.hand.touches) == len({touch.run for touch in world.hand.touches}) == 5


@pytest.mark.parametrize("world", [("mode: approve\n        approve_within: 10m",)], indirect=True)
def test_an_approval_that_nobody_gives_expires_and_people_hear_of_it(world):
    world.fire(labels(), world.now)
    world.settle(1)
    assert world.verdicts() == {"web-1": Verdict.AWAITING_APPROVAL}
    world.advance(599)
    world.settle(1)
    assert world.rows(runs)[0].outcome is None
    world.advance(2)
    world.settle(1)
    assert (world.rows(runs)[0].outcome, world.verdicts()) == ("denied", {"web-1": Verdict.DENIED})
    assert told(world) == ["after_attempts:3"]


@pytest.mark.parametrize("world", [("mode: approve",)], indirect=True)
def test_two_approved_runs_of_one_host_do_not_wait_for_each_other(world):
    for check in "ab":
        world.fire(labels(check=check), world.now)
    world.settle(1)
    for row in world.rows(runs):
        world.write(lambda c, row=row: runs_.approve(c, row.id, world.now))
    world.settle(3)
    assert [row.outcome for row in world.rows(runs)] == ["unverified", "unverified"]


@pytest.mark.parametrize("world", [("mode: approve",)], indirect=True)
def test_an_approved_run_is_not_carried_out_once_its_alert_is_over(world):
    began = world.now
    world.fire(labels(), began)
    world.settle(1)
    world.write(lambda c: runs_.approve(c, 1, world.now))
    world.advance(1)
    world.resolve(labels(), began)
    world.settle(3)
    assert (world.hand.touches, world.rows(runs)[0].outcome) == ([], "cancelled")


@pytest.mark.parametrize("world", [("mode: dry_run",)], indirect=True)
def test_a_dry_run_that_a_crash_interrupted_stays_one(world):
    world.fire(labels(), world.now)
    world.round()
    world.end()
    world.begin()
    world.settle(3)
    assert (world.hand.touches, world.rows(runs)[0].outcome) == ([], "dry_run")


def test_what_was_about_to_begin_at_a_crash_is_told_and_not_run(world):
    """Its first step was journalled: nobody can tell any more whether it began."""
    world.fire(labels(), world.now)
    world.round()
    world.end()
    world.begin()
    world.settle(2)
    assert (world.hand.touches, world.rows(runs)[0].outcome) == ([], "interrupted")
    assert told(world) == ["after_attempts:3"]


def test_what_was_about_to_begin_when_the_bridge_ended_is_asked_about_again(world):
    world.fire(labels(), world.now)
    world.round()
    world.dispatcher.stop(0)
    world.work()
    world.end()
    world.silenced.add(fingerprint(labels()))
    world.begin()
    world.settle(2)
    assert (world.hand.touches, world.verdicts()) == ([], {"web-1": Verdict.SILENCED})
    run = world.rows(runs)[0]
    assert (run.state, run.attempts, run.started_at, run.slot_at) == ("waiting", 0, None, None)
    assert not world.rows(steps)


def test_a_pause_file_beside_the_ledger_holds_everything_while_it_is_there(world):
    file = world.folder / "PAUSE"
    file.write_text("moving house\nsecond line\n")
    world.fire(labels(), world.now)
    world.settle(2)
    (row,) = world.rows(decisions, decisions.c.current)
    assert (row.decision, world.hand.touches) == (Verdict.PAUSED, [])
    assert row.reason.endswith("PAUSE is there: moving house")
    file.unlink()
    world.settle(2)
    assert len(world.hand.touches) == 1


def test_what_a_pause_file_held_goes_on_at_once_when_it_went_while_the_bridge_was_down(world):
    file = world.folder / "PAUSE"
    file.touch()
    world.fire(labels(), world.now)
    world.settle(1)
    world.end()
    file.unlink()
    world.begin()
    world.settle(1)
    assert len(world.hand.touches) == 1


@pytest.mark.parametrize("world", [("flapping: {times: 3, within: 1h}\n        cooldown: 1s",)], indirect=True)
def test_what_keeps_coming_back_is_told_once_and_then_held(world):
    come_back(world, 3)
    assert len(world.hand.touches) == 3
    come_back(world, 3)
    assert (len(world.hand.touches), told(world)) == (3, ["flapping"])
    world.advance(3700)
    come_back(world, 1)
    assert len(world.hand.touches) == 4


@pytest.mark.parametrize("world", [("flapping: {times: 3, within: 1h}\n        cooldown: 1s",)], indirect=True)
def test_what_kept_coming_back_is_acted_on_as_soon_as_that_is_no_longer_so(world):
    first = world.now
    come_back(world, 3, pause=433)
    world.fire(labels(), world.now)
    world.settle(2)
    assert world.verdicts() == {"web-1": Verdict.FLAPPING}
    look_every_second(world, until=first + 3599)
    assert len(world.hand.touches) == 3
    look_every_second(world, until=first + 3602)
    assert len(world.hand.touches) == 4


LIMITED = configuration(limits="limits: {concurrent: 4, runs_per_hour: 2, targets: {max: 50, window: 10m}}")


def test_what_the_hour_held_is_begun_as_soon_as_it_may(tmp_path):
    with opened(tmp_path, LIMITED) as world:
        began = world.now
        for number in range(6):
            world.fire(labels(f"web-{number}"), world.now)
            world.settle(2)
            world.advance(17)
        look_every_second(world, until=began + 3599)
        assert len(world.hand.touches) == 2
        look_every_second(world, until=began + 3602)
        assert len(world.hand.touches) == 3
        look_every_second(world, until=began + 3619)
        assert len(world.hand.touches) == 4


def look_every_second(world, until):
    """As the dispatcher does: it looks when something is due. A step of this is a second."""
    while world.now < until:
        if (due := world.dispatcher.round()) > world.now + 1:
            world.advance(min(due, until) - world.now - 1)
        world.work()
        world.advance(1)
    world.settle(2)


def test_stale_copies_are_no_returns(world):
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    world.advance(5)
    world.resolve(labels(), began)
    for _ in range(4):
        world.fire(labels(), began)
        world.active.clear()
        world.settle(2)
        assert world.rows(episodes)[-1].close_reason.startswith("the notification was stale")
        world.advance(5)
    world.advance(400)
    world.fire(labels(), world.now)
    world.settle(2)
    assert len(world.hand.touches) == 2


def test_where_nobody_can_be_asked_a_later_copy_shows_a_return_and_a_day_without_one_that_there_is_none(world):
    world.asks_nobody = True
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    for copies, state, touched in ((1, "closed", 1), (2, "open", 2)):
        world.advance(400)
        world.resolve(labels(), began)
        for _ in range(copies):
            world.fire(labels(), began)
            world.settle(2)
            world.advance(16)
        assert world.rows(episodes)[-1].state == ("returning" if copies == 1 else "open")
        world.advance(DAY)
        world.settle(2)
        assert (world.rows(episodes)[-1].state, len(world.hand.touches)) == (state, touched)


def test_a_late_copy_of_an_end_does_not_end_what_began_after_it(world):
    """Else what waits here would be cancelled, and begin only when the next notification has been asked about."""
    world.asks_nobody = True
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    over = alert(labels(), status="resolved", starts_at=began, endsAt=when(began + 30))
    world.advance(40)
    world.notify(over)
    again = world.now
    world.fire(labels(), again)
    world.settle(2)
    assert world.verdicts() == {"web-1": Verdict.COOLDOWN}
    assert world.notify(over).resolved == 1
    world.advance(400)
    world.settle(2)
    assert [row.state for row in world.rows(episodes)] == ["closed", "open"]
    assert len(world.hand.touches) == 2
    world.notify(over | {"endsAt": when(began + 31)})
    assert world.rows(episodes)[-1].state == "closed", "what is not on record counts, whatever its times"


@pytest.mark.parametrize("ends_at", ["2001-01-01T00:00:00Z", "0001-01-01T00:00:00Z", None])
def test_a_copy_of_what_ended_before_it_began_is_as_old_as_any(world, ends_at):
    """The start is one Prometheus's, the end another's whose clock is behind: the copy once counted as a new alert."""
    world.asks_nobody = True
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    world.advance(400)
    assert world.notify(alert(labels(), status="resolved", starts_at=began, endsAt=ends_at)).resolved == 1
    world.notify(alert(labels(), starts_at=began))
    world.settle(2)
    assert [row.state for row in world.rows(episodes)] == ["closed", "returning"]
    assert len(world.hand.touches) == 1


@pytest.mark.parametrize("asks_nobody", [True, False])
def test_what_begins_anew_after_a_stale_copy_waits_for_no_answer(world, asks_nobody):
    """The copy may be old, what began after the end of the last one is not: it once waited for a copy of its own."""
    world.asks_nobody = asks_nobody
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    world.advance(400)
    world.resolve(labels(), began)
    world.advance(14)
    world.notify(alert(labels(), starts_at=began))
    world.advance(5)
    assert world.fire(labels(), world.now).accepted == 1
    world.settle(2)
    assert [row.state for row in world.rows(episodes)] == ["closed", "closed", "open"]
    assert len(world.hand.touches) == 2
    world.notify(alert(labels(), starts_at=began))
    world.advance(30)
    world.settle(2)
    assert (len(world.rows(episodes)), len(world.hand.touches)) == (3, 2)


def test_what_was_stale_makes_no_other_stale_copy_new(world):
    """A second Prometheus has another start for the same alert: copies of both come after the end of both."""
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    world.advance(50)
    world.resolve(labels(), began)
    for starts_at in (began, began + 20):
        world.notify(alert(labels(), starts_at=starts_at))
        assert world.rows(episodes)[-1].state == "returning"
        world.settle(2)
        assert world.rows(episodes)[-1].close_reason.startswith("the notification was stale")


def test_a_real_return_with_the_old_start_is_acted_on_after_two_questions(world):
    began = world.now
    world.fire(labels(), began)
    world.settle(2)
    world.advance(400)
    world.resolve(labels(), began)
    world.fire(labels(), began)
    world.settle(1)
    (row,) = world.rows(decisions, decisions.c.current, decisions.c.decision == Verdict.NOT_FIRING)
    assert row.reason.startswith("it was closed")
    world.advance(14)
    world.settle(1)
    assert len(world.hand.touches) == 1
    world.advance(2)
    world.settle(2)
    assert len(world.hand.touches) == 2


def test_what_is_critical_and_not_begun_within_five_minutes_is_told(world):
    world.answers = False
    world.fire(labels(severity="critical"), world.now)
    world.fire(labels("web-2", severity="warning"), world.now)
    (world.folder / "PAUSE").touch()
    for _ in range(12):
        world.settle(1)
        world.advance(31)
    assert told(world) == ["no_first_step"]


@pytest.mark.parametrize("world", [('target: "{{ labels.cluster }}"\n        cooldown: 1s',)], indirect=True)
def test_what_several_hosts_share_is_worked_on_by_one_run_at_a_time(world):
    for host, cluster in (("web-1", "blue"), ("web-2", "blue"), ("web-3", "green")):
        world.fire(labels(host, cluster=cluster), world.now)
    world.round()
    assert world.verdicts() == {"web-1": Verdict.RUN, "web-2": Verdict.TARGET_BUSY, "web-3": Verdict.RUN}
    assert world.rows(decisions)[1].reason == "run 1 is at work on blue from web-1"
    world.work()
    world.round()
    assert world.verdicts()["web-2"] == Verdict.COOLDOWN, "it is looked at as soon as that run has ended"
    world.advance(1)
    world.settle(2)
    assert world.verdicts()["web-2"] == Verdict.RUN


def test_a_storm_touches_no_more_hosts_than_allowed_and_tells_people_once(tmp_path):
    limits = "limits: {concurrent: 4, runs_per_hour: 100, targets: {max: 5, window: 10m}}"
    with opened(tmp_path, configuration(limits=limits)) as world:
        storm = [labels(f"web-{number}") for number in range(2000)]
        began = world.now
        receipts = [world.fire(each, began) for each in storm]
        assert sum(receipt.accepted for receipt in receipts) == len(storm)
        for _ in range(40):
            world.settle(1)
            world.advance(0.1)
        assert len({touch.host for touch in world.hand.touches}) == 5
        assert told(world) == ["after_attempts:3"]
        current = world.rows(decisions, decisions.c.current)
        assert sum(row.decision == Verdict.BREAKER_OPEN for row in current) == len(storm) - 5


def test_a_run_that_the_ledger_could_not_write_goes_on_when_it_can(world):
    world.fire(labels(), world.now)
    world.round()
    world.ledger.full = True
    world.work()
    world.ledger.full = False
    world.settle(4)
    assert world.rows(runs)[0].outcome == "unverified"
    assert len(world.hand.touches) == 1


def test_the_delay_grows_with_every_attempt(tmp_path):
    extra = "retry_delay: 60s\n        retry_backoff: 2\n        max_retries: 2"
    with opened(tmp_path, configuration(extra)) as world:
        world.hand.fails = True
        began = world.now
        world.fire(labels(), began)
        for _ in range(300):
            world.settle(1)
            world.advance(1)
        assert [round(touch.at - began) for touch in world.hand.touches] == [0, 60, 180]


def test_an_old_record_is_forgotten_and_a_young_one_kept(world):
    come_back(world, 1)
    world.advance(90 * DAY)
    come_back(world, 1, pause=31)
    world.settle(1)
    kept = world.rows(episodes)
    assert [row.id for row in kept] == [2]
    assert {row.run_id for row in world.rows(steps)} == {row.id for row in world.rows(runs)} == {2}


@pytest.mark.parametrize(
    "world", [("", "limits: {concurrent: 9, runs_per_hour: 100, targets: {max: 2, window: 10m}}")], indirect=True
)
def test_a_breaker_that_was_reset_counts_anew(world):
    for host in range(6):
        world.fire(labels(f"web-{host}"), world.now)
    touched = []
    for _ in range(3):
        world.settle(2)
        touched.append(len(world.hand.touches))
        world.advance(1)
        world.write(lambda c: operators.reset_breaker(c, "down", world.now))
        world.advance(1)
    assert touched == [2, 4, 6]


def test_what_has_just_come_is_looked_at_before_thousands_that_are_held(tmp_path):
    with opened(tmp_path, configuration()) as world:
        crowd = [labels(f"web-{number}") for number in range(1200)]
        world.silenced |= {fingerprint(each) for each in crowd}
        for start in range(0, len(crowd), 400):
            world.active |= {fingerprint(each) for each in crowd[start : start + 400]}
            world.notify(*(alert(each, starts_at=world.now) for each in crowd[start : start + 400]))
        for _ in range(4):
            world.round()
        held = world.rows(decisions, decisions.c.decision == Verdict.SILENCED)
        assert len(held) == len(crowd)
        assert max(row.due_at for row in held) == pytest.approx(world.now + len(crowd) / 50), "the more, the less often"
        world.advance(60)
        world.fire(labels("new"), world.now)
        world.settle(1)
        assert [touch.host for touch in world.hand.touches] == ["new"]


@pytest.mark.parametrize(
    "world", [("", "limits: {concurrent: 1, runs_per_hour: 100, targets: {max: 50}}")], indirect=True
)
def test_to_see_whether_what_went_by_itself_is_fixed_takes_up_a_slot(world):
    world.hand.fails = True
    began = world.now
    world.fire(labels("web-1"), began)
    world.settle(2)
    world.advance(10)
    world.fire(labels("web-2"), world.now)
    world.round()
    world.resolve(labels("web-1"), began)
    world.round()
    assert {run.host: run.state for run in world.rows(runs)} == {"web-1": "waiting", "web-2": "running"}
    world.work()
    world.advance(5)
    world.settle(2)
    assert {run.host: run.state for run in world.rows(runs)} == {"web-1": "ended", "web-2": "waiting"}
