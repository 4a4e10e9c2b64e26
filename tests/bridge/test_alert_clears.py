"""Absence is not health: what `alert_clears_within` takes for proof, and everything that it does not."""

# ruff: noqa: E501 - a table is read by its rows

from collections.abc import Callable
from dataclasses import replace

import promql_parser
import pytest
import yaml

from bridge.peers.observer import NobodyToAskError, NoObserver, ObserverError, RuleView, Sample
from bridge.verify._promql import alternatives
from bridge.verify.alert_clears_within import AlertClears
from bridge.verify.base import Evidence, Scene
from remedy.config.shipped import shipped
from tests.bridge.watched_world import NEWER, OLDER, SINCE, World

ACTIVE = {"alertname": "Down", "job": "node", "instance": "web-1:9100", "severity": "critical"}
HEALED, NOT_HEALED, NO_EVIDENCE, UNPROVABLE = Evidence
CLEAR = RuleView(evaluated_at=NEWER, healthy=True, active=(), expressions=("disk_used / disk_size > 0.9",))


def healthy() -> World:
    """Make a world in which everything proves that an alert has cleared."""
    world = World({"Down": CLEAR})
    world.set("up", 1)
    world.set("disk_used", 5, mountpoint="/data")
    world.set("disk_size", 9, mountpoint="/data")
    world.set("healthcheck_success", 1, check="http")
    world.set("healthcheck_last_run_timestamp_seconds", NEWER, check="http")
    return world


def rule(**change: object) -> Callable[[World], None]:
    return lambda world: world.rules.update(Down=replace(CLEAR, **change))


def sample(metric: str, value: float, at: float = NEWER, **labels: str) -> Callable[[World], None]:
    return lambda world: world.set(metric, value, at, **labels)


def gone(metric: str) -> Callable[[World], None]:
    return lambda world: world.samples.update({metric: []})


def more(metric: str, value: float, **labels: str) -> Callable[[World], None]:
    return lambda world: world.samples[metric].append(Sample({"instance": "web-1:9100", **labels}, value, NEWER))


PLAIN, CHECKED = {"mountpoint": "/data"}, {"check": "http"}
ROWS = {
    "all proves it": (PLAIN, [], HEALED, "the rule was evaluated since, and the alert has cleared"),
    "the check passes again": (CHECKED, [], HEALED, "the check http passes again and the alert has cleared"),
    "still active": (PLAIN, [rule(active=(ACTIVE,))], NOT_HEALED, "the alert is still active"),
    "active with a label that was dropped on the way": (PLAIN, [rule(active=({**ACTIVE, "replica": "a"},))], NOT_HEALED, "the alert is still active"),
    "active without one that was added on the way": (PLAIN | {"cluster": "eu"}, [rule(active=(ACTIVE,))], NOT_HEALED, "the alert is still active"),
    "another instance is active": (PLAIN, [rule(active=({**ACTIVE, "instance": "web-2:9100"},))], HEALED, "the rule was evaluated since"),
    "no such rule": (PLAIN, [lambda world: world.rules.clear()], NO_EVIDENCE, "Prometheus has no alerting rule named Down"),
    "the rule fails": (PLAIN, [rule(healthy=False)], NO_EVIDENCE, "the rule Down cannot be evaluated"),
    "the rule fails, but it was active": (PLAIN, [rule(healthy=False, active=(ACTIVE,))], NOT_HEALED, "the alert is still active"),
    "not evaluated since": (PLAIN, [rule(evaluated_at=OLDER)], NO_EVIDENCE, "the rule was not evaluated since the last step"),
    "evaluated at the very moment": (PLAIN, [rule(evaluated_at=SINCE)], NO_EVIDENCE, "the rule was not evaluated since the last step"),
    "nothing scraped since": (PLAIN, [sample("up", 1, OLDER)], NO_EVIDENCE, "what the alert watches was not scraped since"),
    "the target is gone": (PLAIN, [gone("up")], NO_EVIDENCE, "what the alert watches was not scraped since"),
    "the target is down": (PLAIN, [sample("up", 0)], NO_EVIDENCE, "what the alert watches cannot be scraped (up = 0)"),
    "the target is down, and a check too": (CHECKED, [sample("up", 0)], NO_EVIDENCE, "what the alert watches cannot be scraped"),
    "neither job nor instance": (PLAIN | {"job": "", "instance": ""}, [], UNPROVABLE, "the alert has no job and no instance label"),
    "the series is gone": (PLAIN, [gone("disk_used")], NO_EVIDENCE, "the series disk_used of the alert is gone, which clears it too"),
    "the other series of a quotient is gone": (PLAIN, [gone("disk_size")], NO_EVIDENCE, "the series disk_size of the alert is gone"),
    "the series was not scraped since": (PLAIN, [sample("disk_used", 5, OLDER, mountpoint="/data")], NO_EVIDENCE, "the series disk_used of the alert is gone"),
    "only another mountpoint is there": (PLAIN, [sample("disk_used", 5, mountpoint="/")], NO_EVIDENCE, "the series disk_used of the alert is gone"),
    "another mountpoint is there as well": (PLAIN, [more("disk_used", 9, mountpoint="/")], HEALED, "the rule was evaluated since"),
    "a label that only the rule sets": (PLAIN | {"severity": "page"}, [sample("disk_used", 5, mountpoint="/data", severity="x")], HEALED, "the rule was evaluated"),
    "an expression without names": (PLAIN, [rule(expressions=("vector(1) > 0",))], UNPROVABLE, "it cannot be told which series Down watches"),
    "either side of an or will do": (PLAIN, [rule(expressions=("a > 1 or disk_used > 9",))], HEALED, "the rule was evaluated"),
    "what must be absent need not be there": (PLAIN, [rule(expressions=("disk_used > 9 unless on (job) off",))], HEALED, "the rule was evaluated"),
    "the check has not run since": (CHECKED, [sample("healthcheck_last_run_timestamp_seconds", OLDER, check="http")], NO_EVIDENCE, "the check http has not run since the last step"),
    "the check is gone": (CHECKED, [gone("healthcheck_success")], NO_EVIDENCE, "the exporter shows no check named http"),
    "the check's last run is gone": (CHECKED, [gone("healthcheck_last_run_timestamp_seconds")], NO_EVIDENCE, "the exporter shows no check named http"),
    "another check": (CHECKED, [sample("healthcheck_success", 1, check="disk")], NO_EVIDENCE, "the exporter shows no check named http"),
    "the check fails": (CHECKED, [sample("healthcheck_success", 0, check="http")], NOT_HEALED, "the check http still fails"),
    "one of two exporters says that it fails": (CHECKED, [more("healthcheck_success", 0, check="http")], NOT_HEALED, "the check http still fails"),
}  # fmt: skip


@pytest.mark.parametrize(("labels", "changes", "evidence", "reason"), ROWS.values(), ids=ROWS)
def test_what_proves_it(labels: dict, changes: list, evidence: Evidence, reason: str) -> None:
    world = healthy()
    for change in changes:
        change(world)
    finding = world.look(AlertClears(), **labels)
    assert (finding.evidence, finding.reason[: len(reason)]) == (evidence, reason)


@pytest.mark.parametrize(
    ("error", "evidence"), [(ObserverError("timed out"), NO_EVIDENCE), (NobodyToAskError("nobody"), UNPROVABLE)]
)
def test_an_unanswered_question_proves_nothing(error: ObserverError, evidence: Evidence) -> None:
    world = healthy()
    looks = world.looks(AlertClears(), **PLAIN)
    world.broken = error
    finding = next(looks)
    assert (finding.evidence, finding.reason) == (evidence, str(error))
    world.broken = None
    assert next(looks).evidence is HEALED, "it is asked again"


def test_what_cleared_while_nothing_was_to_be_seen_is_not_healed_until_the_rule_has_looked_again() -> None:
    """A service that a step restarts is not scraped for a while, and comes back as broken as it was."""
    world = healthy()
    world.set("up", 0)
    world.set("scrape_duration_seconds", 0.5)
    world.samples["disk_used"] = []
    looks = world.looks(AlertClears(), mountpoint="/data")
    assert next(looks).reason == "what the alert watches cannot be scraped (up = 0)"
    back = NEWER + 1
    for metric in ("up", "disk_used", "disk_size"):
        world.set(metric, 1, back, mountpoint="/data")
    for evaluated_at in (NEWER, back + 0.4):
        rule(evaluated_at=evaluated_at)(world)
        finding = next(looks)
        why = "the rule was not evaluated since what it watches was scraped"
        assert (finding.evidence, finding.reason) == (NO_EVIDENCE, why)
    rule(evaluated_at=back + 0.6)(world)
    for metric in ("up", "disk_used", "disk_size"):  # which is scraped more often than the rule is evaluated
        world.set(metric, 1, back + 10, mountpoint="/data")
    assert next(looks).evidence is HEALED
    rule(evaluated_at=back + 12, active=(ACTIVE,))(world)
    assert next(looks).evidence is NOT_HEALED


def test_without_a_prometheus_nothing_will_ever_prove_it() -> None:
    scene = Scene({"alertname": "Down", "instance": "x"}, SINCE, NoObserver(), lambda: NEWER)
    finding = next(AlertClears().looks(scene))
    assert finding.evidence is UNPROVABLE
    assert finding.reason == "no Prometheus is configured, so nothing proves that Down has cleared"


EXPRESSIONS = [
    ("up == 0", [{"up"}]),
    ("node:cpu:rate5m > 0.9", [{"node:cpu:rate5m"}]),
    ('a{x="b or c", y=~"unless{"} > 1 # or d', [{"a"}]),
    ("sum by (job, instance) (rate(a[5m])) / sum(b) without (x) > 1e3", [{"a", "b"}]),
    ("a * on (instance) group_left (nodename) b", [{"a", "b"}]),
    ("a * on (instance) group_left b", [{"a", "b"}]),
    ("a > bool 5 and b offset 1h unless c", [{"a", "b"}]),
    ("absent(a) or b == Inf", [{"a"}, {"b"}]),
    ("max_over_time(a[1h:5m] @ end()) > quantile(0.9, b)", [{"a", "b"}]),
    ("vector(1)", []),
]


@pytest.mark.parametrize(("expression", "names"), EXPRESSIONS)
def test_the_series_of_an_expression(expression: str, names: list[set[str]]) -> None:
    assert alternatives(expression) == names


def metrics(expression: object) -> set[str]:
    """Ask a real parser."""
    if isinstance(expression, promql_parser.VectorSelector):
        return {expression.name}
    parts = [getattr(expression, name, None) for name in ("expr", "lhs", "rhs", "vs", "vector_selector")]
    parts += list(getattr(expression, "args", None) or [])
    return {name for part in parts if part is not None and not isinstance(part, str) for name in metrics(part)}


def shipped_rules() -> list[str]:
    rules = yaml.safe_load((shipped("monitoring") / "alert_rules.yml").read_text())
    return [rule["expr"] for group in rules["groups"] for rule in group["rules"]]


@pytest.mark.parametrize("expression", shipped_rules() + [text for text, _ in EXPRESSIONS if "unless c" not in text])
def test_a_real_parser_finds_the_same_series(expression: str) -> None:
    found = metrics(promql_parser.parse(expression))
    assert found or "vector(1)" in expression
    assert {name for side in alternatives(expression) for name in side} == found
