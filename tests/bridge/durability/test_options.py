"""What a remediation may say of its runs, each seen at work: delays, failed steps, resolved alerts, reloads."""

import pytest

from bridge.decision.gates import Verdict
from bridge.ledger import runs as runs_
from bridge.ledger.schema import decisions, runs, steps
from tests.bridge.durability.bridge_world import World, opened
from tests.bridge.world import policy

CONFIGURATION = """
    alertmanagers: [{{url: "http://127.0.0.1:1"}}]
    notifiers: {{record: {{kind: log}}}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{{wait: {{duration: 1ms}}}}, {{wait: {{duration: 1ms}}}}]
        verify: none
        escalate: [{{after_attempts: 3, to: [record]}}]
        {extra}
    """
LABELS = {"alertname": "Down", "instance": "web-1:9100"}


@pytest.fixture
def world(tmp_path, request):
    with opened(tmp_path, CONFIGURATION.format(extra="\n        ".join(getattr(request, "param", ())))) as made:
        yield made


def configured(*extra: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("world", [extra], indirect=True, ids=[" ".join(extra)])


def outcomes(world: World) -> list[str | None]:
    return [row.outcome for row in world.rows(runs)]


@pytest.mark.parametrize(
    ("keys", "chance", "delays"),
    [
        ("", 0.9, [60, 60, 60]),
        ("retry_backoff: 3", 0.9, [60, 180, 540]),
        ("retry_jitter: 0.5", 0.0, [60, 60, 60]),
        ("retry_jitter: 0.5", 1.0, [90, 90, 90]),
        ("retry_backoff: 2, retry_jitter: 0.1", 0.5, [63, 126, 252]),
        ("retry_backoff: 10, retry_delay: 10m", 0, [600, 3600, 3600]),
        ("retry_backoff: 2, retry_delay: 2h", 0, [7200, 7200, 7200]),
        ("retry_delay: 0s, retry_jitter: 1", 1, [0, 0, 0]),
    ],
)
def test_the_wait_before_each_further_attempt(keys, chance, delays):
    text = f"remediations: [{{name: a, match: 'a=\"1\"', steps: [{{wait: {{duration: 1s}}}}], {keys}}}]"
    (remediation,) = policy(text.replace(", }", "}")).remediations
    assert [round(remediation.delay_after(attempts, chance), 6) for attempts in (1, 2, 3)] == delays


@configured("retry_jitter: 1", "retry_delay: 60s", "max_retries: 1")
def test_jitter_is_drawn_anew_and_waited_for(world):
    world.chance = 0.5
    world.hand.fails = True
    world.fire(LABELS, world.now)
    world.settle(1)
    world.advance(89)
    world.settle(1)
    assert world.rows(runs)[0].attempts == 1
    world.advance(2)
    world.settle(1)
    assert world.rows(runs)[0].attempts == 2


@pytest.mark.parametrize(
    ("world", "begun"),
    [(("max_retries: 0",), 1), (("max_retries: 0", "on_step_failure: continue"), 2)],
    indirect=["world"],
)
def test_a_failed_step_ends_the_attempt_or_not_but_it_has_failed(world, begun):
    world.hand.fails = True
    world.fire(LABELS, world.now)
    world.settle(2)
    assert (len(world.hand.touches), outcomes(world)) == (begun, ["failed"])
    assert [row.outcome for row in world.rows(steps)] == ["failed"] * begun


@configured("max_retries: 0", "on_step_failure: continue")
def test_an_attempt_whose_last_step_succeeds_has_failed_all_the_same(world):
    world.hand.fails = True
    world.fire(LABELS, world.now)
    world.round()
    world.hand.once = True
    world.work()
    assert [row.outcome for row in world.rows(steps)] == ["failed", "succeeded"]
    assert outcomes(world) == ["failed"]
    assert world.rows(runs)[0].reason == "the step recorded failed: it was told to fail"


def approved(world: World) -> None:
    began = world.now
    world.fire(LABELS, began)
    world.settle(1)
    world.advance(1)
    world.resolve(LABELS, began)
    world.write(lambda c: runs_.approve(c, 1, world.now))
    world.settle(3)


@configured("mode: approve", "on_resolve: finish")
def test_a_run_that_is_to_finish_is_carried_out_though_its_alert_is_over(world):
    approved(world)
    assert (len(world.hand.touches), outcomes(world)) == (2, ["unverified"])


@configured("mode: approve", "on_resolve: cancel")
def test_a_run_that_has_not_begun_is_cancelled_with_its_alert(world):
    approved(world)
    assert (len(world.hand.touches), outcomes(world)) == (0, ["cancelled"])


@configured("mode: approve", "on_resolve: finish", "approve_within: 10m")
def test_a_run_that_is_to_finish_still_needs_its_approval_in_time(world):
    began = world.now
    world.fire(LABELS, began)
    world.settle(1)
    world.resolve(LABELS, began)
    world.advance(601)
    world.settle(2)
    assert (len(world.hand.touches), outcomes(world)) == (0, ["denied"])


@pytest.mark.parametrize("world", [("on_resolve: finish",), ("on_resolve: cancel",)], indirect=True)
def test_an_attempt_under_way_goes_on_and_a_waiting_retry_does_not(world):
    world.hand.fails = True
    began = world.now
    world.fire(LABELS, began)
    world.settle(1)
    world.advance(10)
    world.resolve(LABELS, began)
    for _ in range(5):
        world.settle(1)
        world.advance(60)
    assert (len(world.hand.touches), outcomes(world)) == (1, ["unverified"])


def test_a_reload_that_changes_nothing_writes_nothing(world):
    world.policy = policy("remediations: []")
    world.fire(LABELS, world.now)
    world.settle(1)
    before = world.rows(decisions)
    assert world.adopt(policy("remediations: []")).decided.total() == 0
    assert world.rows(decisions) == before


def test_what_is_held_for_a_remediation_that_is_gone_ends_in_words(world):
    (world.folder / "PAUSE").touch()
    world.fire(LABELS, world.now)
    world.settle(1)
    world.adopt(policy("remediations: []"))
    world.settle(1)
    (row,) = world.rows(decisions, decisions.c.current)
    assert (row.decision, row.due_at) == (Verdict.NO_MATCH, None)
