"""alertmanager.yml in a real Alertmanager, with shorter waits: who hears of what, and when."""

import os
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import requests

from remedy.demo import shipped as derived
from remedy.demo.people import Page, People
from remedy.demo.ports import free_ports
from remedy.demo.processes import Program, Running
from remedy.demo.programs import Tools
from tests.e2e.waiting import wait_for

WAIT = 3
"""Seconds that the machine has before people are told; five minutes in the shipped file."""


@dataclass
class World:
    """An Alertmanager, and those that it tells."""

    url: str
    bridge: People
    people: People

    def raise_(self, **labels: str) -> None:
        self._post(labels, {})

    def resolve(self, **labels: str) -> None:
        self._post(labels, {"endsAt": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})

    def _post(self, labels: dict[str, str], times: dict[str, str]) -> None:
        alert = {"labels": labels | {"instance": "web-1:9195"}, **times}
        requests.post(f"{self.url}/api/v2/alerts", json=[alert], timeout=5).raise_for_status()

    def inhibited(self, **labels: str) -> list[bool]:
        filters = [f'{name}="{value}"' for name, value in labels.items()]
        alerts = requests.get(f"{self.url}/api/v2/alerts", params={"filter": filters}, timeout=5).json()
        return [bool(alert["status"]["inhibitedBy"]) for alert in alerts]


@pytest.fixture
def world(shipped: Path, tmp_path: Path) -> Iterator[World]:
    own, bridge_port, people_port = free_ports(3)
    with ExitStack() as ending:
        bridge, people = (ending.enter_context(People(port)) for port in (bridge_port, people_port))
        token = tmp_path / "token"
        token.write_text("secret")
        timing = derived.Timing(people_wait=f"{WAIT}s")
        config = tmp_path / "alertmanager.yml"
        config.write_text(
            derived.alertmanager(
                shipped / "alertmanager.yml", {9093: own, 9095: bridge_port}, token, people.url, timing
            )
        )
        url = f"http://127.0.0.1:{own}"
        alertmanager = Running(_program(config, tmp_path, own), os.environ)
        ending.callback(alertmanager.end)
        wait_for(lambda: _is_ready(url))
        yield World(url, bridge, people)


def test_people_hear_only_of_what_the_machine_could_not_fix(world: World) -> None:
    failing, still = "HealthCheckFailing", "HealthCheckStillFailing"
    world.raise_(alertname=failing, check="healed")
    wait_for(lambda: (failing, "healed") in _firing(world.bridge.pages))
    world.resolve(alertname=failing, check="healed")
    world.raise_(alertname=failing, check="broken")
    world.raise_(alertname=still, check="broken")

    wait_for(lambda: {(failing, "broken"), (still, "broken")} <= _firing(world.bridge.pages))
    assert world.inhibited(check="broken") == [False, False]  # else the bridge would not try again

    # Its wait began later than that of the one that was healed, so that one's is over too.
    wait_for(lambda: world.people.pages)
    assert _firing(world.people.pages) == {(failing, "broken"), (still, "broken")}
    assert len(world.people.pages) == 1
    assert "resolved" in {alert["status"] for page in world.bridge.pages for alert in page.body["alerts"]}
    assert {len(page.body["alerts"]) for page in world.bridge.pages} == {1}


def test_what_the_bridge_gave_up_on_pages_at_once_and_never_goes_back_to_it(world: World) -> None:
    world.raise_(alertname="RemediationFailed", check="broken")
    world.raise_(alertname="BridgeDown")
    world.raise_(alertname="HealthCheckFailing", check="broken")
    wait_for(lambda: len(world.people.pages) == 3)
    assert _firing(world.people.pages[:2]) == {("RemediationFailed", "broken"), ("BridgeDown", None)}
    assert _firing(world.people.pages[2:]) == {("HealthCheckFailing", "broken")}
    assert _firing(world.bridge.pages) == {("HealthCheckFailing", "broken")}


def test_a_known_cause_holds_the_fix_of_its_exception_in_the_same_log_only(world: World) -> None:
    for pattern, source in [("disk_full", "app"), ("python_exception", "app"), ("python_exception", "other")]:
        world.raise_(alertname="LogPatternMatched", pattern=pattern, source=source)
    wait_for(lambda: world.inhibited(pattern="python_exception", source="app") == [True])
    assert world.inhibited(pattern="disk_full") == [False]
    assert world.inhibited(pattern="python_exception", source="other") == [False]


def _firing(pages: list[Page]) -> set[tuple[str, str | None]]:
    alerts = (alert for page in list(pages) for alert in page.body["alerts"] if alert["status"] == "firing")
    return {(alert["labels"]["alertname"], alert["labels"].get("check")) for alert in alerts}


def _is_ready(url: str) -> Any:
    try:
        return requests.get(f"{url}/-/ready", timeout=2).ok
    except requests.ConnectionError:
        return False


def _program(config: Path, folder: Path, port: int) -> Program:
    program = Tools.found().alertmanager
    assert program, "Alertmanager is not installed (make test installs it)"
    argv = (
        program,
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    )
    return Program("Alertmanager", argv, folder / "alertmanager.log", f"http://127.0.0.1:{port}/-/ready", "")
