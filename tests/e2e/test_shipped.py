"""The demo's Prometheus and Alertmanager run what monitoring/ ships, with other addresses and timings."""

import subprocess

import pytest
import yaml

from remedy.config.shipped import shipped
from remedy.demo.place import Place
from remedy.demo.programs import Ports, Settings, Tools, plan
from remedy.demo.shipped import Timing

TOOLS = Tools("/usr/bin/prometheus", "/usr/bin/prometheus-alertmanager")


@pytest.fixture(scope="module")
def planned(tmp_path_factory):
    with Place(tmp_path_factory.mktemp("demo")) as place:
        ports = Ports.free()
        yield place.root, ports, plan(place, ports, TOOLS, Settings())


def read(root, name):
    return yaml.safe_load((root / name).read_text())


@pytest.mark.parametrize(
    "command",
    [
        ("promtool", "check", "config", "prometheus.yml"),
        ("promtool", "check", "rules", "alert_rules.yml"),
        ("amtool", "check-config", "alertmanager.yml"),
    ],
)
def test_their_own_tools_accept_it(planned, command):
    root, _, _ = planned
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_address_is_one_of_the_demo(planned):
    root, ports, _ = planned
    config = read(root, "prometheus.yml")
    targets = [
        target for job in config["scrape_configs"] for each in job["static_configs"] for target in each["targets"]
    ]
    assert {f"127.0.0.1:{ports.exporter}", f"127.0.0.1:{ports.bridge}"} <= set(targets)
    assert not [target for target in targets if int(target.rpartition(":")[2]) in ports.of_documented()]
    assert str(ports.alertmanager) in str(config["alerting"])


def test_the_bridge_is_told_at_once_and_people_after_their_wait(planned):
    root, ports, _ = planned
    config = read(root, "alertmanager.yml")
    urls = {r["name"]: r["webhook_configs"][0]["url"] for r in config["receivers"]}
    assert urls == {
        "bridge": f"http://127.0.0.1:{ports.bridge}/webhook",
        "people": f"http://127.0.0.1:{ports.people}/people",
    }
    waits = {route["receiver"]: route.get("group_wait") for route in config["route"]["routes"] if route.get("continue")}
    assert waits == {"bridge": "0s"}
    timing = Timing()
    assert config["route"]["group_wait"] == timing.people_wait
    assert config["route"]["group_interval"] == timing.people_interval
    assert [r["group_interval"] for r in config["route"]["routes"] if r["receiver"] == "bridge"] == ["1s"]


def test_the_shipped_rules_are_kept_but_for_the_window_of_the_logs(planned):
    root, _, _ = planned
    ours = {rule["alert"]: rule for group in read(root, "alert_rules.yml")["groups"] for rule in group["rules"]}
    folder = shipped("monitoring")
    theirs = {rule["alert"]: rule for group in read(folder, "alert_rules.yml")["groups"] for rule in group["rules"]}
    changed = {name for name in theirs if ours[name] != theirs[name]}
    assert changed == {"LogPatternMatched"}
    assert "5s" in ours["LogPatternMatched"]["expr"]


def test_without_prometheus_there_is_one_program_and_nobody_is_asked(tmp_path):
    with Place(tmp_path) as place:
        planned = plan(place, Ports.free(), Tools(None, None), Settings())
    assert [program.name for program in planned.programs] == ["remedy run"]
    assert set(planned.urls) == {"bridge"}
    assert not {"prometheus", "alertmanagers"} & set(read(tmp_path, "remediation.yml"))


@pytest.mark.parametrize(
    ("tools", "missing"),
    [
        (Tools(None, None), ["Prometheus", "Alertmanager"]),
        (Tools("/usr/bin/prometheus", None), ["Alertmanager"]),
        (Tools(None, "/usr/bin/prometheus-alertmanager"), ["Prometheus"]),
        (TOOLS, []),
    ],
)
def test_what_is_missing_is_named(tools, missing):
    assert tools.missing() == missing
