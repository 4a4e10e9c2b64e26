"""A whole bridge beside a real Prometheus and a real Alertmanager: what it calls fixed, and what it never touches."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bridge.decision.facts import Episode
from tests.bridge.real_stack import Watched, watched
from tests.bridge.served_bridge import Served, served
from tests.bridge.world import alert
from tests.e2e.waiting import wait_for

REMEDIATIONS = """
alertmanagers: [{{url: "{alertmanager}"}}]
prometheus: {{url: "{prometheus}"}}
allow: {{commands: [/bin/echo]}}
defaults: {{cooldown: 0s, max_retries: 1, retry_delay: 1s}}
remediations:
  - name: repair
    match: 'alertname="Broken"'
    steps: [{{command: {{argv: [/bin/echo, repaired]}}}}]
    verify: {{alert_clears_within: {within}}}
"""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("proof"), {"Broken": "thing_works == 0"}) as running:
        yield running


@pytest.fixture
def bridge(stack: Watched, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Served]:
    stack.expose(thing_works=0)
    peers = {"alertmanager": stack.alertmanager.url, "prometheus": stack.prometheus.url}
    within = getattr(request, "param", "20s")
    with served(tmp_path, remediations=REMEDIATIONS.format(within=within, **peers)) as running:
        yield running
    stack.expose(thing_works=1)
    wait_for(lambda: stack.observer.firing() == [] and not stack.listed("Broken"))


def notify(bridge: Served, episode: Episode) -> None:
    assert bridge.notify(alert(dict(episode.labels), fingerprint=episode.fingerprint)).json["accepted"] == 1


@pytest.mark.slow
def test_what_is_repaired_is_fixed(stack: Watched, bridge: Served) -> None:
    notify(bridge, stack.fires("Broken"))
    bridge.wait_for("/api/v1/runs", "runs", 1, state="verifying")
    stack.expose(thing_works=1)
    (run,) = bridge.wait_for("/api/v1/runs", "runs", 1, outcome="fixed")
    assert run["reason"] == "the rule was evaluated since, and the alert has cleared"


@pytest.mark.slow
@pytest.mark.parametrize("bridge", ["3s"], indirect=True)
@pytest.mark.parametrize("how", ["the exporter dies", "the series goes"])
def test_what_clears_by_absence_is_unverified_and_never_fixed(stack: Watched, bridge: Served, how: str) -> None:
    notify(bridge, stack.fires("Broken"))
    bridge.wait_for("/api/v1/runs", "runs", 1, state="verifying")
    if how == "the exporter dies":
        stack.break_target()
    else:
        stack.expose(other=1)
    wait_for(lambda: stack.observer.firing() == [])
    (run,) = bridge.wait_for("/api/v1/runs", "runs", 1, state="ended")
    assert run["outcome"] == "unverified"
    wait_for(lambda: bridge.metric('remediation_runs_total{outcome="unverified",remediation="repair"}') == 1)


@pytest.mark.slow
def test_a_forged_notification_starts_nothing(stack: Watched, bridge: Served) -> None:
    true = stack.fires("Broken")
    labels = {**true.labels, "instance": "victim:9100"}
    with stack.forged(labels):
        bridge.notify(alert(labels))
        (held,) = bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="not_firing")
        assert held["reason"] == "the alert is not active in Prometheus"
        time.sleep(1)
        assert bridge.get("/api/v1/runs")["runs"] == []


@pytest.mark.slow
def test_a_reload_asks_another_prometheus(stack: Watched, bridge: Served) -> None:
    right = bridge.file.read_text()
    bridge.configure(right.replace(stack.prometheus.url, "http://127.0.0.1:9"))
    assert bridge.ask("POST", "/-/reload", "operator").status_code == 200
    notify(bridge, stack.fires("Broken"))
    (held,) = bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="not_firing")
    assert held["reason"] == "Prometheus was asked: http://127.0.0.1:9 did not answer: no connection"
    bridge.configure(right)
    assert bridge.ask("POST", "/-/reload", "operator").status_code == 200
    bridge.wait_for("/api/v1/runs", "runs", 1, state="verifying")
