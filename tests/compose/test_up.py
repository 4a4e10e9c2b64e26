"""`docker compose up` from a fresh clone: everything healthy, confined, and the app healed when it breaks."""

import json
import os
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.compose.conftest import PROJECT
from tests.compose.engine import OUTSIDE, Engine, run
from tests.compose.stack import Stack
from tests.compose.standins import UNREAL

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT_SERVICES = {"docker-proxy"}
PUBLISHED = {3000, 5100, 9090, 9093, 9095, 9195}


@pytest.fixture(scope="module")
def stack(
    engine: Engine, images: dict[str, str], compose: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stack]:
    """The stack as a newcomer gets it: clone, up, nothing else."""
    clone = tmp_path_factory.mktemp("fresh") / "remediation-bridge"
    run(["git", "clone", "--quiet", "--no-hardlinks", str(PROJECT), str(clone)], os.environ)
    found = Stack(engine, clone, compose)
    found.command("up", "--detach", timeout=600)
    yield found
    found.command("down", "--volumes", "--timeout=3")
    assert engine.docker("ps", "--all", "--quiet") == ""
    assert engine.docker("volume", "ls", "--quiet") == ""


def test_everything_becomes_healthy(stack: Stack, images: dict[str, str], capsys: pytest.CaptureFixture[str]) -> None:
    def all_well() -> dict[str, str] | None:
        health = stack.health()
        return health if set(health.values()) <= {"healthy", "exit code 0"} else None

    health = stack.await_that("everything is healthy", all_well, 120)
    assert health.pop("secrets") == "exit code 0"
    assert health.keys() == {
        "alertmanager",
        "app",
        "bridge",
        "docker-proxy",
        "exporter",
        "grafana",
        "prometheus",
    }
    assert images["grafana/grafana"] in stack.containers()["grafana"]["Config"]["Image"]
    with capsys.disabled():
        print(f"\nNOTE: {UNREAL}. The other base images are Debian's own software under the committed tags.")


def test_everything_is_confined(stack: Stack) -> None:
    for name, container in stack.containers().items():
        host = container["HostConfig"]
        assert host["ReadonlyRootfs"], name
        assert host["Init"], name
        assert host["CapDrop"] == ["ALL"], name
        assert "no-new-privileges:true" in host["SecurityOpt"], name
        assert 0 < host["Memory"] <= 512 * 1024**2, name
        assert not host["Privileged"], name


@pytest.mark.parametrize(
    "service", ["alertmanager", "app", "bridge", "docker-proxy", "exporter", "grafana", "prometheus"]
)
def test_what_runs_has_no_rights(stack: Stack, service: str) -> None:
    status = dict(line.split(":", 1) for line in stack.inside(service, "cat", "/proc/1/status").splitlines())
    user = status["Uid"].split()[0]
    assert (user == "0") == (service in ROOT_SERVICES)
    assert int(status["CapEff"], 16) == 0
    assert int(status["CapBnd"], 16) == 0
    assert status["NoNewPrivs"].strip() == "1"
    with pytest.raises(AssertionError, match="Read-only file system"):
        stack.inside(service, "touch", "/file")


def test_nothing_is_reachable_but_on_loopback(stack: Stack) -> None:
    listening = stack.engine.inside(["ss", "--no-header", "--listening", "--tcp", "--numeric"]).stdout
    addresses = {line.split()[3] for line in listening.splitlines()}
    assert addresses == {f"127.0.0.1:{port}" for port in PUBLISHED}
    for port in PUBLISHED:
        assert stack.engine.fetch(f"http://127.0.0.1:{port}/")[0] != 0
        assert stack.engine.fetch(f"http://{OUTSIDE}:{port}/")[0] == 0


def test_the_token_is_shared_by_two_and_shown_to_nobody(stack: Stack) -> None:
    read = ["cat", "/etc/remedy/secrets/token"]
    token = stack.inside("bridge", *read)
    assert len(bytes.fromhex(token)) == 32
    assert stack.inside("alertmanager", *read) == token
    assert token not in stack.command("logs", "--no-color")
    for other in ("app", "exporter", "grafana", "prometheus", "docker-proxy"):
        with pytest.raises(AssertionError, match=r"No such file|can't open"):
            stack.inside(other, *read)


@pytest.mark.parametrize(("method", "path"), [("POST", "/webhook"), ("GET", "/api/v1/runs"), ("PUT", "/api/v1/pause")])
def test_the_bridge_takes_nothing_and_shows_nothing_without_a_credential(stack: Stack, method: str, path: str) -> None:
    status, _ = stack.engine.fetch(f"http://127.0.0.1:9095{path}", method=method)
    assert status == 401


_ASK = """
import json, sys
from http.client import HTTPConnection
answers = []
for method, path, body, chunked in json.loads(sys.argv[1]):
    connection = HTTPConnection("docker-proxy", 2375, timeout=30)
    data = iter([body.encode()]) if chunked else body.encode() or None
    connection.request(method, path, data, encode_chunked=chunked)
    answer = connection.getresponse()
    text = answer.read()
    assert answer.status != 403 or method == "HEAD" or json.loads(text)["message"], text
    answers.append(answer.status)
print(json.dumps(answers))
"""
APP = "/v1.41/containers/remedy-app"
LET_THROUGH = [
    ("GET", "/version", "", False),
    ("GET", "/containers/remedy-app/json", "", False),
    ("GET", f"{APP}/json", "", False),
    ("POST", f"{APP}/start", "", False),
]
STOPPED = [
    ("GET", "/containers/json", "", False),
    ("GET", "/info", "", False),
    ("HEAD", "/_ping", "", False),
    ("GET", "/v1.41/containers/remedy-app2/json", "", False),
    ("GET", "/v1.41/containers/x/../remedy-app/json", "", False),
    ("GET", "/v1.41/containers/remedy-app%2f..%2fother/json", "", False),
    ("GET", f"/{APP}/json", "", False),
    ("GET", f"{APP}/archive?path=/", "", False),
    ("GET", f"{APP}/logs?stdout=1", "", False),
    ("POST", f"{APP}/json", "", False),
    ("POST", f"{APP}/restart?t=1", "x", False),
    ("POST", f"{APP}/kill", "", False),
    ("POST", f"{APP}/update", '{"Memory": 0}', False),
    ("POST", f"{APP}/exec", '{"Cmd": ["id"]}', False),
    ("POST", "/v1.41/containers/create?name=remedy-app", '{"Image": "x"}', False),
    ("POST", "/v1.22/containers/remedy-app/start", '{"Privileged": true}', False),
    ("POST", "/v1.22/containers/remedy-app/start", '{"Privileged": true}', True),
    ("GET", f"{APP}/start", "", False),
    ("DELETE", APP, "", False),
    ("PUT", f"{APP}/archive?path=/", "x", False),
]


def test_the_proxy_lets_through_what_one_fix_needs_and_nothing_else(stack: Stack) -> None:
    asked = [*LET_THROUGH, *STOPPED]
    answers = json.loads(stack.inside("bridge", "python", "-c", _ASK, json.dumps(asked)))
    verdicts = dict(zip([request[:2] + request[3:] for request in asked], answers, strict=True))
    assert set(answers[: len(LET_THROUGH)]) <= {200, 204, 304}, verdicts
    assert set(answers[len(LET_THROUGH) :]) == {403}, verdicts


def test_grafana_is_given_its_provisioning(stack: Stack) -> None:
    def read(path: str) -> str:
        return stack.inside("grafana", "cat", path)

    provider = yaml.safe_load(read("/etc/grafana/provisioning/dashboards/remediation-bridge.yml"))["providers"][0]
    dashboard = json.loads(read(f"{provider['options']['path']}/grafana-dashboard.json"))
    source = yaml.safe_load(read("/etc/grafana/provisioning/datasources/prometheus.yml"))["datasources"][0]
    assert dashboard["panels"]
    assert source["url"] == "${PROMETHEUS_URL}"
    assert stack.inside("grafana", "printenv", "PROMETHEUS_URL") == "http://prometheus:9090\n"


def fixed_runs(stack: Stack) -> dict[str, dict[str, Any]]:
    password = stack.inside("bridge", "cat", "/var/lib/remedy/operator/password")
    given = {"Authorization": f"Basic {b64encode(f'operator:{password}'.encode()).decode()}"}
    status, text = stack.engine.fetch("http://127.0.0.1:9095/api/v1/runs", headers=given)
    assert status == 200, text
    return {entry["id"]: entry for entry in json.loads(text)["runs"] if entry["outcome"] == "fixed"}


@pytest.mark.parametrize("how", ["killed", "hanging"])
def test_a_broken_app_is_healed(stack: Stack, how: str, capsys: pytest.CaptureFixture[str]) -> None:
    before, known = stack.containers()["app"], fixed_runs(stack)
    began = time.monotonic()
    if how == "killed":
        stack.command("kill", "app")
        assert not stack.containers()["app"]["State"]["Running"]
    else:
        assert stack.engine.fetch("http://127.0.0.1:5100/break?how=hang", method="POST")[0] == 202

    def healed() -> dict[str, Any] | None:
        return next((entry for name, entry in fixed_runs(stack).items() if name not in known), None)

    entry = stack.await_that(f"the {how} app is fixed", healed, 180)
    took = time.monotonic() - began
    after = stack.containers()["app"]
    assert entry["remediation"] == "restart-app"
    assert entry["episode"]["labels"]["check"] == "app"
    assert entry["target"] == "app/app"
    assert "fixed" in stack.inside("bridge", "remedy", "history", str(entry["id"]))
    assert after["Id"] == before["Id"]
    assert after["State"]["StartedAt"] > before["State"]["StartedAt"]
    assert stack.engine.fetch("http://127.0.0.1:5100/api/health")[0] == 200
    with capsys.disabled():
        print(f"\n{how} app: fixed, as verified, after {took:.0f} s")
