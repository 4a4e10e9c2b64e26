"""Each trigger of an escalation, through a whole bridge: told when it is reached, not before, and once."""

import pytest

from bridge.decision import operators
from bridge.decision.gates import Verdict
from bridge.decision.payload import fingerprint
from bridge.ledger.schema import decisions, escalations, runs
from tests.bridge.durability.bridge_world import World, opened
from tests.bridge.world import alert, policy

CONFIGURATION = """
    alertmanagers: [{{url: "http://127.0.0.1:1"}}]
    notifiers: {{ops: {{kind: log}}, lead: {{kind: log}}, dba: {{kind: log}}, all: {{kind: log}}}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{{wait: {{duration: 1ms}}}}]
        cooldown: 1s
        verify: none
        escalate: [{levels}]
        {extra}
    """
LEVELS = {
    "after_attempts": "{after_attempts: 2, to: [ops]}",
    "unresolved_for": "{unresolved_for: 30m, to: [all]}",
    "flapping": "{flapping: true, to: [lead]}",
    "data_loss": "{data_loss: true, to: [lead, dba]}",
}


@pytest.fixture
def world(tmp_path, request):
    levels, extra = getattr(request, "param", ("after_attempts", ""))
    text = CONFIGURATION.format(levels=", ".join(LEVELS[name] for name in levels.split()), extra=extra)
    with opened(tmp_path, text) as made:
        yield made


def labels(host="web-1", **more):
    return {"alertname": "Down", "instance": f"{host}:9100", **more}


def told(world: World) -> list[tuple[str, str]]:
    return [(row.level, row.notifier) for row in world.rows(escalations)]


def at(world: World, seconds: float) -> list[tuple[str, str]]:
    """Let time pass with all that comes with it; return who was told until then."""
    end = world.now + seconds
    while world.now < end:
        world.settle(1)
        world.advance(min(31, end - world.now))
    world.settle(1)
    return told(world)


@pytest.mark.parametrize("world", [("after_attempts", "retry_delay: 60s\n        max_retries: 3")], indirect=True)
def test_after_failed_attempts(world):
    world.hand.fails = True
    world.fire(labels(), world.now)
    world.settle(1)
    assert at(world, 59) == []
    assert at(world, 2) == [("after_attempts:2", "ops")]
    assert at(world, 300) == [("after_attempts:2", "ops")]
    assert len(world.hand.touches) == 4


@pytest.mark.parametrize("world", [("unresolved_for", "mode: off"), ("unresolved_for", "")], indirect=True)
def test_unresolved_whether_anything_was_run_or_not(world):
    world.fire(labels(), world.now)
    assert at(world, 1795) == []
    assert at(world, 40) == [("unresolved_for:1800s", "all")]
    assert at(world, 3600) == [("unresolved_for:1800s", "all")]


@pytest.mark.parametrize("world", [("unresolved_for", "")], indirect=True)
def test_unresolved_is_told_though_the_bridge_was_down_when_it_was_time(world):
    world.fire(labels(), world.now)
    at(world, 600)
    world.end()
    world.advance(3600)
    world.begin()
    assert at(world, 31) == [("unresolved_for:1800s", "all")]


@pytest.mark.parametrize("world", [("unresolved_for", "")], indirect=True)
def test_unresolved_is_told_of_what_is_old_when_a_reload_first_wants_it(world):
    whole, world.policy = world.policy, policy("remediations: []")
    world.fire(labels(), world.now)
    assert at(world, 3600) == []
    world.adopt(whole)
    assert at(world, 31) == [("unresolved_for:1800s", "all")]


@pytest.mark.parametrize("world", [("data_loss after_attempts", ""), ("data_loss", "auto_fix: false")], indirect=True)
def test_suspected_data_loss_is_told_with_the_notification_itself(world):
    world.fire(labels(), world.now)
    assert told(world) == [("data_loss", "lead"), ("data_loss", "dba")]
    (row, _) = world.rows(escalations)
    assert row.title == "Down on web-1:9100: down: data may have been lost"
    world.fire(labels(), world.now)
    assert len(at(world, 600)) == 2


@pytest.mark.parametrize("world", [("data_loss", "")], indirect=True)
def test_suspected_data_loss_is_told_again_when_it_returns_and_not_for_a_stale_copy(world):
    began = world.now
    world.fire(labels(), began)
    world.advance(1)
    world.resolve(labels(), began)
    world.notify(alert(labels(), starts_at=began))
    assert len(at(world, 60)) == 2
    world.fire(labels(), began)
    assert len(at(world, 60)) == 4


@pytest.mark.parametrize("world", [("flapping after_attempts", ""), ("after_attempts", "")], indirect=True)
def test_what_keeps_coming_back_is_told_to_whom_it_concerns(world):
    for _ in range(4):
        began = world.now
        world.fire(labels(), began)
        world.settle(2)
        world.advance(10)
        world.resolve(labels(), began)
        world.advance(100)
    lead_is_named = any(level.flapping for level in world.policy.remediations[0].escalate)
    assert told(world) == [("flapping", "lead" if lead_is_named else "ops")]


@pytest.mark.parametrize("severity", ["critical", "warning"])
def test_what_is_critical_must_have_begun_within_five_minutes(world, severity):
    (world.folder / "PAUSE").touch()
    world.fire(labels(severity=severity), world.now)
    assert at(world, 295) == []
    assert at(world, 35) == ([("no_first_step", "ops")] if severity == "critical" else [])


def test_what_is_critical_and_was_begun_in_time_is_not_told(world):
    world.fire(labels(severity="critical"), world.now)
    assert at(world, 600) == []


def test_what_is_critical_when_a_late_return_opens_is_told_too(world):
    """Two questions let it return only after its five minutes were over."""
    began = world.now
    world.fire(labels(severity="critical"), began)
    world.settle(2)
    world.advance(5)
    world.resolve(labels(severity="critical"), began)
    world.fire(labels(severity="critical"), began)
    world.answers = False
    assert at(world, 290) == []
    assert at(world, 110) == [("no_answer", "ops")], "nobody can say whether it has returned"
    assert world.rows(escalations)[0].title.endswith("nobody can say whether it has: no connection")
    (world.folder / "PAUSE").touch()
    world.answers = True
    assert at(world, 90) == [("no_answer", "ops"), ("no_first_step", "ops")]


def test_what_nobody_can_say_of_many_is_told_of_one_in_an_hour(world):
    """While Prometheus is down, all that fires is held: a fleet that fell over then would be thousands of messages."""
    world.prometheus_error = "no connection"
    for number in range(30):
        world.fire(labels(f"web-{number}"), world.now)
    assert at(world, 290) == []
    assert at(world, 1000) == [("no_answer", "ops")]
    world.fire(labels("web-30"), world.now)
    assert at(world, 1000) == [("no_answer", "ops")]
    assert at(world, 1800) == 2 * [("no_answer", "ops")], "of another one, an hour later"
    assert len({row.episode_id for row in world.rows(escalations)}) == 2


def test_nobody_answers_for_long(world):
    """The notification is fresh: a first attempt is made. Then nobody can say whether another one is needed."""
    world.hand.fails, world.answers = True, False
    world.fire(labels(), world.now)
    world.settle(1)
    assert len(world.hand.touches) == 1
    assert at(world, 300) == []
    assert [row.decision for row in world.rows(decisions, decisions.c.current)] == [Verdict.NOT_FIRING]
    assert at(world, 120) == [("no_answer", "ops")]
    (row,) = world.rows(escalations)
    assert "since nobody can say whether the alert fires: 1 of 1 Alertmanagers cannot tell: no connection" in row.title
    world.answers = True
    at(world, 600)
    assert (len(world.hand.touches), world.rows(runs)[0].outcome) == (4, "failed")


def test_an_answer_in_between_begins_the_wait_anew(world):
    world.hand.fails, world.answers = True, False
    world.silenced.add(fingerprint(labels()))
    world.fire(labels(), world.now)
    world.settle(1)
    for _ in range(4):
        at(world, 200)
        world.answers = True
        at(world, 10)
        assert Verdict.SILENCED in world.verdicts().values()
        world.answers = False
    assert told(world) == []


UNRESOLVED = ("unresolved_for:1800s", "all")
STORM = """
    limits: {{targets: {{max: 2, window: 10m}}}}
    notifiers: {{ops: {{kind: log}}, all: {{kind: log}}}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{{wait: {{duration: 1ms}}}}]
        verify: none
        escalate: [{levels}]
    """


@pytest.mark.parametrize(
    ("levels", "tripped", "later", "at_last"),
    [
        ("after_attempts", [("after_attempts:2", "ops")], [], []),
        ("after_attempts unresolved_for", [("after_attempts:2", "ops")], [("no_first_step", "all")], [UNRESOLVED] * 3),
        ("unresolved_for", [], [("no_first_step", "all")], [UNRESOLVED] * 3),
    ],
)
def test_what_an_open_breaker_holds_is_told_once_however_much_it_is(tmp_path, levels, tripped, later, at_last):
    """The two that were touched before are told of one by one, and of all the others the first."""
    text = STORM.format(levels=", ".join(LEVELS[name] for name in levels.split()))
    with opened(tmp_path, text) as world:
        for number in range(20):
            world.fire(labels(f"web-{number}", severity="critical"), world.now)
        assert at(world, 60) == tripped
        assert at(world, 300) == tripped + later
        assert at(world, 1600) == tripped + later + at_last
        world.write(lambda connection: operators.reset_breaker(connection, None, world.now))
        assert at(world, 60) == tripped + later + at_last + tripped, "it opens again"
