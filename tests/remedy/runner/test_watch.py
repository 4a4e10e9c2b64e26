"""`remedy run` raises what monitoring/alert_rules.yml would: the same alerts and labels, judged by promtool."""

import subprocess
from pathlib import Path

import pytest
import yaml
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

from bridge.peers.observer import NobodyToAskError
from remedy.runner.rules import RULES
from remedy.runner.watch import Watch

SHIPPED = Path(__file__).parents[3] / "monitoring" / "alert_rules.yml"
INSTANCE = "127.0.0.1:9195"


class Exporter:
    """Says what it is told to say."""

    def __init__(self):
        self.failures = {"api": 0.0, "db": 0.0}
        self.processes = 1.0
        self.lines = {("disk_full", "critical", "app"): 0.0, ("oom", "warning", "sys"): 0.0}
        self.last_run = 0.0

    def collect(self):
        failures = GaugeMetricFamily("healthcheck_consecutive_failures", "x", labels=["check"])
        success = GaugeMetricFamily("healthcheck_success", "x", labels=["check", "kind", "critical"])
        value = GaugeMetricFamily("healthcheck_value", "x", labels=["check", "unit"])
        for check, count in self.failures.items():
            failures.add_metric([check], count)
            success.add_metric([check, "http", "true"], float(count == 0))
        success.add_metric(["worker", "process", "false"], float(self.processes > 0))
        value.add_metric(["worker", "processes"], self.processes)
        lines = CounterMetricFamily("log_pattern_matches", "x", labels=["pattern", "severity", "source"])
        for key, count in self.lines.items():
            lines.add_metric(list(key), count)
        return [failures, success, value, lines]


class Clock:
    def __init__(self, now=1_000_000.0):
        self.now = now

    def __call__(self):
        return self.now


@pytest.fixture
def world():
    exporter, clock, registry = Exporter(), Clock(), CollectorRegistry()
    registry.register(exporter)
    return exporter, clock, Watch(registry, INSTANCE, clock)


def alerts(notification):
    return [] if notification is None else [(a.status, a.labels["alertname"]) for a in notification.alerts]


def test_what_begins_and_ends_is_notified_once(world):
    exporter, clock, watch = world
    assert watch.look() is None
    exporter.failures["api"] = 3.0
    assert alerts(watch.look()) == [("firing", "HealthCheckFailing")]
    clock.now += 1
    assert watch.look() is None
    exporter.failures["api"] = 5.0
    assert alerts(watch.look()) == [("firing", "HealthCheckStillFailing")]
    exporter.failures["api"] = 0.0
    assert sorted(alerts(watch.look())) == [("resolved", "HealthCheckFailing"), ("resolved", "HealthCheckStillFailing")]


def test_a_log_pattern_fires_for_a_minute_after_its_last_line(world):
    exporter, clock, watch = world
    exporter.lines["disk_full", "critical", "app"] = 2.0
    assert alerts(watch.look()) == [("firing", "LogPatternMatched")]
    clock.now += 59
    assert watch.look() is None
    clock.now += 2
    assert alerts(watch.look()) == [("resolved", "LogPatternMatched")]


def test_lines_that_were_counted_before_the_start_are_old_news():
    exporter, registry = Exporter(), CollectorRegistry()
    exporter.lines["disk_full", "critical", "app"] = 7.0
    registry.register(exporter)
    assert Watch(registry, INSTANCE, Clock()).look() is None


def test_it_answers_the_bridges_questions(world):
    exporter, clock, watch = world
    exporter.failures["db"] = 4.0
    watch.look()
    view = watch.rule("HealthCheckFailing")
    assert view.evaluated_at == clock.now
    assert [dict(labels)["check"] for labels in view.active] == ["db"]
    assert watch.rule("NoSuchRule") is None
    assert [s.value for s in watch.series("up", {"instance": INSTANCE})] == [1.0]
    assert [s.value for s in watch.series("healthcheck_success", {"check": "db", "instance": INSTANCE})] == [0.0]
    assert watch.series("healthcheck_success", {"check": "db", "instance": "elsewhere:1"}) == []
    with pytest.raises(NobodyToAskError):
        watch.query("up == 1")


def test_promtool_finds_the_same_alerts_with_the_same_labels(world, tmp_path):
    exporter, _, watch = world
    exporter.failures |= {"api": 3.0, "db": 6.0}
    exporter.processes = 0.0
    exporter.lines["disk_full", "critical", "app"] = 2.0
    watch.look()
    raised = [dict(labels) for labels in watch.firing()]
    assert {labels["alertname"] for labels in raised} == set(RULES), "each rule must have something to compare"
    _promtool(tmp_path, exporter, raised)
    raised[0]["severity"] = "wrong"
    with pytest.raises(subprocess.CalledProcessError):
        _promtool(tmp_path, exporter, raised)


def _promtool(folder, exporter, raised):
    """Hold the alerts against the shipped rules; a log counter grows from nothing to what the exporter says."""
    rules = yaml.safe_load(SHIPPED.read_text())
    for rule in (rule for group in rules["groups"] for rule in group["rules"]):
        rule.pop("annotations", None)
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    series = [
        {
            "series": _spell(sample),
            "values": f"0+0x4 {sample.value}+0x4" if "log_" in sample.name else f"{sample.value}+0x9",
        }
        for family in exporter.collect()
        for sample in family.samples
    ]
    expected = [
        {
            "eval_time": "90s",
            "alertname": name,
            "exp_alerts": [
                {"exp_labels": {k: v for k, v in labels.items() if k != "alertname"}}
                for labels in raised
                if labels["alertname"] == name
            ],
        }
        for name in RULES
    ]
    tests = [{"interval": "15s", "input_series": series, "alert_rule_test": expected}]
    (folder / "test.yml").write_text(
        yaml.safe_dump({"rule_files": ["rules.yml"], "evaluation_interval": "15s", "tests": tests})
    )
    subprocess.run(["promtool", "test", "rules", "test.yml"], cwd=folder, check=True, capture_output=True)


def _spell(sample):
    labels = {**sample.labels, "instance": INSTANCE, "job": "exporter"}
    spelt = ",".join(f'{k}="{v}"' for k, v in labels.items())
    return f"{sample.name}{{{spelt}}}"
