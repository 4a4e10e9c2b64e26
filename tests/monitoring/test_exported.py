"""Every metric and label that the shipped files use is really exported, and every log pattern that they name ships."""

import pkgutil
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.ledger.outbox import DeliveryState
from exporters import checks
from tests.monitoring import dashboard
from tests.monitoring.exported import Exported, exported
from tests.monitoring.promql import Use, result_labels, uses


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Exported:
    return exported(tmp_path_factory.mktemp("exported"))


def test_rules_use_only_what_is_exported(rules: list[dict[str, Any]], truth: Exported) -> None:
    assert list(_unknown((use for rule in rules for use in uses(rule["expr"])), truth)) == []


def test_rules_and_panels_ask_for_values_that_there_are(shipped: Path, rules: list[dict[str, Any]]) -> None:
    """A misspelt value finds nothing, and nobody notices. Units have no list of their own."""
    jobs = yaml.safe_load((shipped / "prometheus.yml").read_text(encoding="utf-8"))["scrape_configs"]
    known = {
        "job": {job["job_name"] for job in jobs},
        "kind": {module.name for module in pkgutil.iter_modules(checks.__path__)},
        "result": set(DeliveryState),
    }
    expressions = [rule["expr"] for rule in rules]
    expressions += [query.expr for query in dashboard.queries(dashboard.read(shipped / "grafana-dashboard.json"))]
    asked = {pair for expr in expressions for use in uses(expr) for pair in use.equals}
    assert {label for label, _ in asked} == {"job", "kind", "result", "unit"}
    assert {(label, value) for label, value in asked if label != "unit" and value not in known[label]} == set()


def test_annotations_use_only_labels_that_the_alert_has(rules: list[dict[str, Any]], truth: Exported) -> None:
    for rule in rules:
        wanted = set(re.findall(r"\$labels\.(\w+)", " ".join(rule["annotations"].values())))
        assert wanted <= _labels_of(rule, truth), rule["alert"]


def test_every_alert_carries_what_remediations_match_on(rules: list[dict[str, Any]], truth: Exported) -> None:
    for rule in rules:
        labels = _labels_of(rule, truth)
        assert labels >= {"severity", "instance"}, rule["alert"]
        assert rule["group"] not in ("checks", "thresholds") or "check" in labels, rule["alert"]
    assert _labels_of(next(rule for rule in rules if rule["alert"] == "LogPatternMatched"), truth) >= {
        "pattern",
        "source",
    }


def test_the_dashboard_uses_only_what_is_exported(shipped: Path, truth: Exported) -> None:
    drawn = dashboard.read(shipped / "grafana-dashboard.json")
    used = [use for query in dashboard.queries(drawn) for use in uses(query.expr)]
    listed = [use for query in dashboard.variable_queries(drawn).values() for use in _listed(query)]
    assert list(_unknown(used + listed, truth)) == []


def test_legends_use_only_labels_that_the_series_have(shipped: Path, truth: Exported) -> None:
    for query in dashboard.queries(dashboard.read(shipped / "grafana-dashboard.json")):
        of_result = result_labels(query.expr)
        has = truth[uses(query.expr)[0].metric] if of_result is None else of_result
        assert set(re.findall(r"{{\s*(\w+)\s*}}", query.legend)) <= has, query


def test_routes_and_inhibitions_use_only_labels_that_alerts_have(
    shipped: Path, rules: list[dict[str, Any]], truth: Exported
) -> None:
    config = yaml.safe_load((shipped / "alertmanager.yml").read_text(encoding="utf-8"))
    known = set.union(*(_labels_of(rule, truth) for rule in rules))
    matchers = list(_matchers(config))
    grouped = {label for route in _routes(config["route"]) for label in route.get("group_by", ())} - {"..."}
    equal = {label for inhibition in config["inhibit_rules"] for label in inhibition["equal"]}
    assert {name for name, _ in matchers} | grouped | equal <= known


def test_inhibitions_name_patterns_and_alerts_that_there_are(shipped: Path, rules: list[dict[str, Any]]) -> None:
    config = yaml.safe_load((shipped / "alertmanager.yml").read_text(encoding="utf-8"))
    patterns = {path.stem for path in (shipped.parent / "exporters" / "patterns").glob("*.yml")}
    assert patterns
    for inhibition in config["inhibit_rules"]:
        for name, value in _matchers(inhibition):
            known = patterns if name == "pattern" else {rule["alert"] for rule in rules}
            assert set(value.split("|")) <= known


@pytest.mark.parametrize(
    ("expression", "unknown"),
    [
        ("healthcheck_succes == 0", [("healthcheck_succes", None)]),
        ('healthcheck_value{kind="disk"}', [("healthcheck_value", {"kind"})]),
        ("sum by (outcome, host) (rate(remediation_runs_total[5m]))", [("remediation_runs_total", {"host"})]),
        ("up and on (check) healthcheck_success", [("up", {"check"})]),
        ("up * on (instance) group_left (kind) healthcheck_value", [("healthcheck_value", {"kind"})]),
        ("max_over_time((up == 0)[5m:1m]) unless rate(upp[5m] offset 1h)", [("upp", None)]),
    ],
)
def test_the_unknown_is_found_wherever_it_stands(expression: str, unknown: list[Any], truth: Exported) -> None:
    assert list(_unknown(uses(expression), truth)) == unknown


def _unknown(used: Iterable[Use], truth: Exported) -> Iterator[tuple[str, frozenset[str] | None]]:
    """Yield (metric, None) for a metric that nothing exports, or (metric, the labels that it does not have)."""
    for use in used:
        if use.metric not in truth:
            yield use.metric, None
        elif missing := use.labels - truth[use.metric]:
            yield use.metric, missing


def _labels_of(rule: dict[str, Any], truth: Exported) -> set[str]:
    of_result = result_labels(rule["expr"])
    series = truth[uses(rule["expr"])[0].metric] if of_result is None else of_result
    return {"alertname", *series, *rule.get("labels", {})}


def _listed(query: str) -> list[Use]:
    """Read `label_values(SELECTOR, LABEL)`."""
    found = re.fullmatch(r"label_values\((.+), (\w+)\)", re.sub(r"\$\w+", ".*", query))
    assert found, query
    return [use._replace(labels=use.labels | {found[2]}) for use in uses(found[1])]


def _routes(route: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield route
    for inner in route.get("routes", ()):
        yield from _routes(inner)


def _matchers(config: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield (label, value) of every matcher below."""
    for key, value in config.items():
        if key.endswith("matchers"):
            for matcher in value:
                found = re.fullmatch(r'(\w+)(?:=~|!~|=|!=)"(.*)"', matcher)
                assert found, matcher
                yield found[1], found[2]
        elif isinstance(value, dict):
            yield from _matchers(value)
        elif isinstance(value, list):
            for inner in value:
                if isinstance(inner, dict):
                    yield from _matchers(inner)
