"""`alertmanager` against a real Alertmanager: raised, seen by people, resolved."""

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from bridge.notifiers.alertmanager import Alertmanager
from bridge.notifiers.base import Message, PassingError, State
from tests.bridge.notifiers.conftest import Server

_PROGRAM = shutil.which("prometheus-alertmanager") or shutil.which("alertmanager")


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start an Alertmanager on a free port and give its URL."""
    if _PROGRAM is None:
        pytest.skip("there is no Alertmanager on this machine (apt-get install prometheus-alertmanager)")
    folder: Path = tmp_path_factory.mktemp("alertmanager")
    (folder / "am.yml").write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [
                _PROGRAM,
                f"--config.file={folder}/am.yml",
                f"--storage.path={folder}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--cluster.listen-address=",
            ],
            stdout=log,
            stderr=log,
        )
    try:
        _until(lambda: _ready(url))
        yield url
    finally:
        process.terminate()
        process.wait(10)


def _ready(url: str) -> bool:
    try:
        return requests.get(f"{url}/-/ready", timeout=1).ok
    except requests.RequestException:
        return False


def _until(true: Any) -> None:
    end = time.monotonic() + 20
    while not true():
        assert time.monotonic() < end
        time.sleep(0.02)


def _active(url: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = requests.get(f"{url}/api/v2/alerts", timeout=5).json()
    return found


def test_raised_and_resolved(real: str, message: Message) -> None:
    people = Alertmanager(url=real, labels={"page": "yes"})
    people.deliver(message, 5)
    people.deliver(message, 5)
    (alert,) = _active(real)
    assert alert["labels"] == {
        "alertname": "RemediationFailed",
        "failed_alert": "HealthCheckFailing",
        "instance": "web-1:9195",
        "severity": "critical",
        "team": "受注",
        "page": "yes",
    }
    assert alert["annotations"]["summary"] == message.title
    assert alert["annotations"]["description"] == message.story
    assert alert["annotations"]["runbook_url"] == message.runbook_url
    people.deliver(replace(message, state=State.RESOLVED), 5)
    _until(lambda: _active(real) == [])


def test_it_stays_longer_than_alertmanager_would_keep_it(server: Server, message: Message) -> None:
    Alertmanager(url=server.url + "/am/").deliver(message, 5)
    (request,) = server.requests
    assert request.path == "/am/api/v2/alerts"
    ends = time.mktime(time.strptime(request.body[0]["endsAt"][:19], "%Y-%m-%dT%H:%M:%S")) - time.timezone
    assert abs(ends - time.time() - 86_400) < 60


def test_a_stopped_one_may_come_back(message: Message) -> None:
    with pytest.raises(PassingError):
        Alertmanager(url="http://127.0.0.1:1").deliver(message, 1)
