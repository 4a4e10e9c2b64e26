"""The gates: a row for each and for each of its edges; which of them speaks first; and that one always does."""

# ruff: noqa: E501 - a table is read by its rows

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.decision import gates
from bridge.decision.facts import History, Pause, Standing
from bridge.decision.gates import GATES, RETRIES, Case, Gate, Verdict, decide
from bridge.policy.config import Mode
from tests.bridge.world import episode, policy

NOW = 100_000.0
SETTINGS = policy("""
    limits: {concurrent: 2, runs_per_hour: 10, targets: {max: 3, window: 10m}}
    remediations:
      - name: restart
        match: 'alertname="Down"'
        cooldown: 5m
        flapping: {times: 3, within: 1h}
        steps: [{wait: {duration: 1s}}]
    """)
(RESTART,) = SETTINGS.remediations
OPEN_WAY = Case(
    episode=episode(received_at=NOW - 1),
    remediation=RESTART,
    host="web-1",
    target="web-1/http",
    limits=SETTINGS.settings.limits,
    history=History(),
    standing=Standing(prometheus=True, asked=2, answered=2, listed=True),
    now=NOW,
)


def case(
    *, mode: Mode = Mode.AUTO, auto_fix: bool = True, history: dict | None = None, standing: dict | None = None, **more
) -> Case:
    """Change something in a case in which nothing stands in the way."""
    return OPEN_WAY._replace(
        remediation=replace(RESTART, mode=mode, auto_fix=auto_fix),
        history=History(**(history or {})),
        standing=replace(OPEN_WAY.standing, **(standing or {})),
        **more,
    )


def asked(**more) -> dict:
    return {"prometheus": None, "asked": 1, "answered": 0, "listed": False, "trouble": "timed out", **more}


NOTIFIED = {age: replace(OPEN_WAY.episode, notified_at=NOW - age) for age in (0, 29.9, 30, -3600)}
SOON, LATER = NOW + 5, NOW + 60
ROWS: list[tuple[str, Gate, Case, Verdict | None, float | None, str]] = [
    ("on", gates.disabled, case(), None, None, ""),
    ("auto_fix false", gates.disabled, case(auto_fix=False), Verdict.DISABLED, None, "restart says auto_fix: false"),
    ("mode off", gates.disabled, case(mode=Mode.OFF), Verdict.DISABLED, None, "the mode of restart is off"),
    ("mode dry_run is on", gates.disabled, case(mode=Mode.DRY_RUN), None, None, ""),
    ("no host", gates.no_target, case(host=""), Verdict.NO_TARGET, None, "the labels give no host"),
    ("no target", gates.no_target, case(target=""), Verdict.NO_TARGET, None, "the labels give no target"),
    ("not paused", gates.paused, case(), None, None, ""),
    ("paused for good", gates.paused, case(history={"pause": Pause("", "deploy", None)}), Verdict.PAUSED, LATER, "everything is paused: deploy"),
    ("paused for a while", gates.paused, case(history={"pause": Pause("restart", "deploy", NOW + 10)}), Verdict.PAUSED, NOW + 10, "restart is paused: deploy"),
    ("paused for long is looked at every minute", gates.paused, case(history={"pause": Pause("", "x", NOW + 9999)}), Verdict.PAUSED, LATER, "everything is paused: x"),
    ("host free", gates.target_busy, case(), None, None, ""),
    ("host busy", gates.target_busy, case(history={"busy_with": 7}), Verdict.TARGET_BUSY, LATER, "run 7 is at work on web-1"),
    ("target busy from another host", gates.target_busy, case(history={"busy_with": 7, "busy_host": "web-2"}), Verdict.TARGET_BUSY, LATER, "run 7 is at work on web-1/http from web-2"),
    ("never run", gates.cooldown, case(), None, None, ""),
    ("just run", gates.cooldown, case(history={"last_end": NOW}), Verdict.COOLDOWN, NOW + 300, "web-1/http was last worked on 0 s ago, its cooldown is 5m"),
    ("cooling down", gates.cooldown, case(history={"last_end": NOW - 299}), Verdict.COOLDOWN, NOW + 1, "web-1/http was last worked on 299 s ago, its cooldown is 5m"),
    ("cooled down, to the second", gates.cooldown, case(history={"last_end": NOW - 300}), None, None, ""),
    ("a run of the future: the clock was set back", gates.cooldown, case(history={"last_end": NOW + 86400}), Verdict.COOLDOWN, NOW + 300, "web-1/http was last worked on 0 s ago, its cooldown is 5m"),
    ("a slot free", gates.limited, case(history={"running": 1, "runs_in_hour": 9}), None, None, ""),
    ("no slot free", gates.limited, case(history={"running": 2}), Verdict.LIMITED, LATER, "2 runs are at work, the limit is 2"),
    ("too many in an hour", gates.limited, case(history={"runs_in_hour": 10}), Verdict.LIMITED, LATER, "10 runs were started within the last hour, the limit is 10"),
    ("one host more", gates.breaker_open, case(history={"other_hosts": 2}), None, None, ""),
    ("too many hosts", gates.breaker_open, case(history={"other_hosts": 3}), Verdict.BREAKER_OPEN, LATER, "restart has touched 3 hosts within 10m, the limit is 3"),
    ("a host that was touched before is not one more", gates.breaker_open, case(history={"other_hosts": 3, "host_touched": True}), None, None, ""),
    ("an open breaker stays open for all hosts", gates.breaker_open, case(history={"breaker": "storm", "host_touched": True}), Verdict.BREAKER_OPEN, LATER, "the breaker is open: storm"),
    ("back twice", gates.flapping, case(history={"returns": 2}), None, None, ""),
    ("back three times", gates.flapping, case(history={"returns": 3}), Verdict.FLAPPING, LATER, "the alert came back 3 times within 1h"),
    ("known to everybody", gates.not_firing, case(), None, None, ""),
    ("not in Prometheus", gates.not_firing, case(standing={"prometheus": False}), Verdict.NOT_FIRING, SOON, "the alert is not active in Prometheus"),
    ("Prometheus does not answer", gates.not_firing, case(standing={"prometheus": None, "prometheus_error": "timed out"}), Verdict.NOT_FIRING, SOON, "Prometheus was asked: timed out"),
    ("nobody to ask", gates.not_firing, case(standing={"prometheus": None, "asked": 0, "answered": 0, "listed": False}), None, None, ""),
    ("only Prometheus to ask", gates.not_firing, case(standing={"asked": 0, "answered": 0, "listed": False}), None, None, ""),
    ("no Alertmanager lists it", gates.not_firing, case(standing={"listed": False}), Verdict.NOT_FIRING, SOON, "no Alertmanager lists the alert"),
    ("one lists it, one is down", gates.not_firing, case(standing={"answered": 1}), None, None, ""),
    ("one does not list it, one is down", gates.not_firing, case(standing={"listed": False, "answered": 1, "trouble": "x"}), Verdict.NOT_FIRING, SOON, "1 of 2 Alertmanagers cannot tell: x"),
    ("none answers, notified just now", gates.not_firing, case(standing=asked(), episode=NOTIFIED[0]), None, None, ""),
    ("none answers, notified 29.9 s ago", gates.not_firing, case(standing=asked(), episode=NOTIFIED[29.9]), None, None, ""),
    ("none answers, notified 30 s ago", gates.not_firing, case(standing=asked(), episode=NOTIFIED[30]), Verdict.NOT_FIRING, SOON, "1 of 1 Alertmanagers cannot tell: timed out"),
    ("none answers before a second attempt", gates.not_firing, case(standing=asked(), history={"attempts": 1}, episode=NOTIFIED[0]), Verdict.NOT_FIRING, SOON, "1 of 1 Alertmanagers cannot tell: timed out"),
    ("not silenced", gates.silenced, case(), None, None, ""),
    ("silenced by one of several", gates.silenced, case(standing={"silenced_by": ("s1", "s2"), "answered": 1}), Verdict.SILENCED, SOON, "silenced by s1, s2"),
    ("inhibited", gates.inhibited, case(standing={"inhibited_by": ("f1",)}), Verdict.INHIBITED, SOON, "inhibited by f1"),
    ("not inhibited", gates.inhibited, case(), None, None, ""),
    ("mode approve", gates.awaiting_approval, case(mode=Mode.APPROVE), Verdict.AWAITING_APPROVAL, None, "restart waits for approval"),
    ("approved", gates.awaiting_approval, case(mode=Mode.APPROVE, by_hand=True), None, None, ""),
    ("mode dry_run needs no approval", gates.awaiting_approval, case(mode=Mode.DRY_RUN), None, None, ""),
    ("mode dry_run", gates.dry_run, case(mode=Mode.DRY_RUN), Verdict.DRY_RUN, None, "the mode is dry_run: nothing is changed"),
    ("mode dry_run, by hand", gates.dry_run, case(mode=Mode.DRY_RUN, by_hand=True), Verdict.DRY_RUN, None, "the mode is dry_run: nothing is changed"),
    ("mode auto", gates.dry_run, case(), None, None, ""),
]  # fmt: skip


@pytest.mark.parametrize(
    ("gate", "given_", "verdict", "due", "reason"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS]
)
def test_a_gate_at_its_edge(gate: Gate, given_: Case, verdict: Verdict | None, due: float | None, reason: str) -> None:
    decision = gate(given_)
    if verdict is None:
        assert decision is None
    else:
        assert (decision.verdict, decision.due, decision.reason) == (verdict, due, reason)


def test_every_gate_has_a_row_on_either_side() -> None:
    rows = {(row[1], row[3] is None) for row in ROWS}
    assert rows >= {(gate, objects) for gate in GATES if gate is not gates.no_target for objects in (True, False)}


def test_nothing_in_the_way_is_a_run() -> None:
    decision = decide(OPEN_WAY)
    assert (decision.verdict, decision.due) == (Verdict.RUN, None)
    assert decision.reason == "restart may run on web-1/http"


OBJECTIONS: list[tuple[Verdict, dict, dict, dict]] = [
    (Verdict.DISABLED, {"auto_fix": False}, {}, {}),
    (Verdict.NO_TARGET, {"target": ""}, {}, {}),
    (Verdict.PAUSED, {}, {"pause": Pause("", "x", None)}, {}),
    (Verdict.TARGET_BUSY, {}, {"busy_with": 1}, {}),
    (Verdict.COOLDOWN, {}, {"last_end": NOW}, {}),
    (Verdict.LIMITED, {}, {"running": 99}, {}),
    (Verdict.BREAKER_OPEN, {}, {"breaker": "x"}, {}),
    (Verdict.FLAPPING, {}, {"returns": 99}, {}),
    (Verdict.NOT_FIRING, {}, {}, {"prometheus": False}),
    (Verdict.SILENCED, {}, {}, {"silenced_by": ("s",)}),
    (Verdict.INHIBITED, {}, {}, {"inhibited_by": ("f",)}),
    (Verdict.AWAITING_APPROVAL, {"mode": Mode.APPROVE}, {}, {}),
]
"""What makes each gate object, in the order of the design; `dry_run`, the last, excludes `awaiting_approval`."""


def objected(rows: list) -> Case:
    """Make a case to which several gates object."""
    more, history, standing = ({key: value for row in rows for key, value in row[i].items()} for i in (1, 2, 3))
    return case(**more, history=history, standing=standing)


@pytest.mark.parametrize("first", range(len(OBJECTIONS)), ids=[str(row[0]) for row in OBJECTIONS])
def test_of_all_that_object_the_first_speaks(first: int) -> None:
    assert decide(objected(OBJECTIONS[first:])).verdict is OBJECTIONS[first][0]
    assert decide(objected(OBJECTIONS[first : first + 1])).verdict is OBJECTIONS[first][0]


def test_the_order_is_that_of_the_design() -> None:
    order = list(Verdict)
    places = [order.index(row[0]) for row in OBJECTIONS]
    assert places == sorted(places)
    assert order.index(Verdict.AWAITING_APPROVAL) < order.index(Verdict.DRY_RUN) < order.index(Verdict.RUN)


@pytest.mark.parametrize("row", OBJECTIONS, ids=[str(row[0]) for row in OBJECTIONS])
def test_before_a_further_attempt_only_what_may_have_changed_is_asked(row: tuple) -> None:
    """A cooldown does not limit retries; what was switched off or silenced in the retry delay stops the next one."""
    asked_again = {Verdict.DISABLED, Verdict.PAUSED, Verdict.LIMITED}
    asked_again |= {Verdict.NOT_FIRING, Verdict.SILENCED, Verdict.INHIBITED}
    again = objected([row, (None, {}, {"attempts": 1}, {})])
    assert (decide(again, RETRIES).verdict is row[0]) == (row[0] in asked_again)


HISTORIES = st.builds(
    History,
    pause=st.none()
    | st.builds(Pause, st.sampled_from(["", "restart"]), st.text(), st.none() | st.floats(NOW, NOW * 2)),
    busy_with=st.none() | st.integers(1, 9),
    busy_host=st.none() | st.text(min_size=1),
    last_end=st.none() | st.floats(NOW - 600, NOW + 600),
    running=st.integers(0, 4),
    runs_in_hour=st.integers(0, 12),
    other_hosts=st.integers(0, 5),
    host_touched=st.booleans(),
    breaker=st.none() | st.text(),
    returns=st.integers(0, 5),
    calm_at=st.none() | st.floats(NOW, NOW + 600),
    attempts=st.integers(0, 2),
    held=st.integers(0, 10_000),
)
NAMES = st.lists(st.text(min_size=1), max_size=2).map(tuple)
STANDINGS = st.builds(
    Standing,
    prometheus=st.none() | st.booleans(),
    prometheus_error=st.sampled_from(["", "timed out"]),
    asked=st.integers(0, 2),
    answered=st.integers(0, 2),
    listed=st.booleans(),
    silenced_by=NAMES,
    inhibited_by=NAMES,
    trouble=st.text(),
)
CASES = st.builds(
    case,
    mode=st.sampled_from(Mode),
    auto_fix=st.booleans(),
    host=st.sampled_from(["", "web-1"]),
    target=st.sampled_from(["", "web-1/http"]),
    by_hand=st.booleans(),
).flatmap(lambda made: st.builds(lambda h, s: made._replace(history=h, standing=s), HISTORIES, STANDINGS))
HELD = {v for v, *_ in OBJECTIONS} - {Verdict.DISABLED, Verdict.NO_TARGET, Verdict.AWAITING_APPROVAL}


@given(CASES)
def test_every_case_gets_one_verdict_with_its_reason_and_what_is_held_is_looked_at_again(given_: Case) -> None:
    decision = decide(given_)
    objections = [found for gate in GATES if (found := gate(given_)) is not None]
    assert decision == objections[0] if objections else decision.verdict is Verdict.RUN
    assert decision.reason.strip()
    assert (decision.due is not None) == (decision.verdict in HELD)
    if decision.due is not None:
        longest = max(gates.LOOK_AGAIN_SECONDS, RESTART.cooldown.total_seconds())
        assert NOW <= decision.due <= NOW + longest


@given(CASES)
def test_nothing_runs_that_anybody_objects_to(given_: Case) -> None:
    if decide(given_).verdict is Verdict.RUN:
        history, standing = given_.history, given_.standing
        assert given_.remediation.auto_fix
        assert given_.remediation.mode in (Mode.AUTO, Mode.APPROVE)
        assert given_.host
        assert given_.target
        assert (history.pause, history.busy_with, history.breaker) == (None, None, None)
        assert history.running < given_.limits.concurrent
        assert not standing.silenced_by
        assert not standing.inhibited_by
        assert standing.prometheus is not False
        assert not standing.prometheus_error


@pytest.mark.parametrize(("earlier", "later"), list(pairwise([NOW, NOW + 100, NOW + 299.9])))
def test_a_cooldown_that_is_looked_at_again_ends_when_it_said(earlier: float, later: float) -> None:
    cooling = case(history={"last_end": NOW})
    assert (
        gates.cooldown(cooling._replace(now=earlier)).due
        == gates.cooldown(cooling._replace(now=later)).due
        == NOW + 300
    )
    assert gates.cooldown(cooling._replace(now=NOW + 300)) is None


@pytest.mark.parametrize(
    ("standing", "gone"),
    [
        (Standing(), False),
        (Standing(prometheus=False), True),
        (Standing(prometheus=True), False),
        (Standing(prometheus=None, prometheus_error="down"), False),
        (Standing(asked=2, answered=2), True),
        (Standing(asked=2, answered=1), False),
        (Standing(asked=1, answered=1, listed=True), False),
        (Standing(prometheus=False, asked=1, answered=1), True),
        (Standing(prometheus=False, asked=1, answered=0), False),
        (Standing(prometheus=False, asked=1, answered=1, listed=True), False),
        (Standing(prometheus=True, asked=1, answered=1), False),
        (Standing(prometheus=None, prometheus_error="down", asked=1, answered=1), False),
    ],
)
def test_gone_only_if_everybody_answered_and_nobody_knows_it(standing: Standing, gone: bool) -> None:
    assert standing.gone is gone
