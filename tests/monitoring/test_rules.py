"""prometheus.yml and alert_rules.yml: promtool accepts them, and what is around every rule is there."""

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bridge.decision.own_alerts import is_own
from tests.monitoring.conftest import Tool

SEVERITIES = {"warning", "error", "critical"}
MISTAKES = [("checks.yml", ">= 3", ">= 4"), ("logs.yml", "offset 1m", "offset 2m")]
"""Tests of the rules, what stands in the rules, and what they must notice."""


def test_promtool_accepts_the_configuration(shipped: Path, tool: Tool) -> None:
    tool("promtool", "check", "config", shipped / "prometheus.yml")
    tool("promtool", "check", "rules", "--lint=all", "--lint-fatal", shipped / "alert_rules.yml")


def test_promtool_finds_every_rule_as_its_tests_say(shipped: Path, tool: Tool) -> None:
    tool("promtool", "test", "rules", *sorted((shipped / "tests").glob("*.yml")))


def test_every_rule_is_shown_firing_and_not_firing(shipped: Path, rules: list[dict[str, Any]]) -> None:
    cases = list(_cases(shipped / "tests"))
    firing = {case["alertname"] for case in cases if case.get("exp_alerts")}
    quiet = {case["alertname"] for case in cases if not case.get("exp_alerts")}
    names = {rule["alert"] for rule in rules}
    assert names - firing == set()
    assert names - quiet == set()


def test_every_alert_says_what_it_is_and_where_to_read_on(shipped: Path, rules: list[dict[str, Any]]) -> None:
    anchors = {
        _anchor(title) for title in re.findall(r"^## (.+)$", (shipped / "runbooks.md").read_text(), re.MULTILINE)
    }
    for rule in rules:
        assert set(rule["annotations"]) == {"summary", "description", "runbook_url"}, rule["alert"]
        page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
        assert page.endswith("/monitoring/runbooks.md")
        assert anchor in anchors, rule["alert"]


def test_one_alert_name_has_one_severity(rules: list[dict[str, Any]]) -> None:
    """Another severity would be another fingerprint; only a log pattern brings its own."""
    names = [rule["alert"] for rule in rules]
    assert len(names) == len(set(names))
    assert {rule["alert"] for rule in rules if rule.get("labels", {}).get("severity") not in SEVERITIES} == {
        "LogPatternMatched"
    }


def test_the_bridge_knows_the_alerts_about_the_machinery(rules: list[dict[str, Any]]) -> None:
    """alertmanager.yml does not send them there; should another one do, the bridge says `own_alert`."""
    machinery = {rule["alert"] for rule in rules if rule["group"] == "machinery"} | {"RemediationFailed"}
    others = {rule["alert"] for rule in rules} - machinery
    assert {name for name in machinery if not is_own({"alertname": name})} == set()
    assert {name for name in others if is_own({"alertname": name})} == set()


@pytest.mark.parametrize("mistake", MISTAKES, ids=str)
def test_the_rules_tests_can_fail(shipped: Path, tmp_path: Path, tool: Tool, mistake: tuple[str, str, str]) -> None:
    tests, right, wrong = mistake
    text = (shipped / "alert_rules.yml").read_text()
    assert right in text
    (tmp_path / "alert_rules.yml").write_text(text.replace(right, wrong))
    (tmp_path / "tests").mkdir()
    copy = shutil.copy(shipped / "tests" / tests, tmp_path / "tests")
    with pytest.raises(AssertionError, match="FAILED"):
        tool("promtool", "test", "rules", copy)


def _cases(folder: Path) -> Iterator[dict[str, Any]]:
    for path in folder.glob("*.yml"):
        for test in yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]:
            yield from test.get("alert_rule_test", ())


def _anchor(title: str) -> str:
    """Make of a title what GitHub makes of it."""
    return re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-")
