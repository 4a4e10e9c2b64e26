"""alertmanager.yml: amtool accepts it, and every alert takes its way."""

from pathlib import Path
from typing import Any

import pytest

from tests.monitoring.conftest import Tool

BRIDGE_THEN_PEOPLE, PEOPLE = "bridge,people", "people"
ROUTES = [
    ({"alertname": "HealthCheckFailing", "severity": "warning", "check": "http"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "HealthCheckStillFailing", "severity": "critical", "check": "http"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "LogPatternMatched", "pattern": "disk_full", "source": "app"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "LogSourceUnreadable", "source": "app"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "DiskFull", "check": "disk_space", "unit": "percent"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "PostgresDown", "instance": "db-1:9187"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "PostgresDown", "remediation": "restart-db"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "MyBridgeDown"}, BRIDGE_THEN_PEOPLE),
    ({"alertname": "RemediationFailed", "check": "http", "remediation": "restart-api"}, PEOPLE),
    ({"alertname": "RemediationFailed", "pattern": "disk_full", "source": "app"}, PEOPLE),
]


def test_amtool_accepts_the_configuration(shipped: Path, tool: Tool) -> None:
    tool("amtool", "check-config", shipped / "alertmanager.yml")


@pytest.mark.parametrize(("labels", "receivers"), ROUTES, ids=str)
def test_an_alert_takes_its_way(shipped: Path, tool: Tool, labels: dict[str, str], receivers: str) -> None:
    assert _route(shipped, tool, labels) == receivers


def test_alerts_about_the_machinery_never_reach_the_bridge(
    shipped: Path, tool: Tool, rules: list[dict[str, Any]]
) -> None:
    for rule in rules:
        receivers = _route(shipped, tool, {"alertname": rule["alert"], "instance": "web-1:9195"})
        assert receivers == (PEOPLE if rule["group"] == "machinery" else BRIDGE_THEN_PEOPLE), rule["alert"]


def _route(shipped: Path, tool: Tool, labels: dict[str, str]) -> str:
    words = [f"{name}={value}" for name, value in labels.items()]
    out: str = tool("amtool", "config", "routes", "test", f"--config.file={shipped / 'alertmanager.yml'}", *words)
    return out.strip()
