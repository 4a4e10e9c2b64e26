"""The sample service: it answers, it really breaks, and it does not outlive its demo."""

import os
import socket
import subprocess
import time

import psutil
import pytest
import requests

from remedy.demo.place import Place
from remedy.demo.ports import free_ports
from remedy.demo.sample import SampleService
from tests.e2e.waiting import wait_for

ENV = {**os.environ, "SAMPLE_TICK": "0.05", "NO_PROXY": "127.0.0.1"}


def answers(sample):
    try:
        return requests.get(sample.health_url, timeout=1).ok
    except requests.RequestException:
        return False


@pytest.fixture
def place(tmp_path):
    with Place(tmp_path / "demo") as place:
        yield place


@pytest.fixture
def sample(place):
    exits = []
    service = SampleService(place.root / "sample", *free_ports(1), leash=place.lock, on_exit=exits.append)
    service.exits = exits
    service.prepare()
    service.start(ENV)
    wait_for(lambda: answers(service))
    yield service
    service.end()


def test_health_says_how_full_its_folder_is(sample):
    health = requests.get(sample.health_url, timeout=5).json()
    assert health["status"] == "ok"
    assert health["folder"]["used_bytes"] < health["folder"]["quota_bytes"]


def test_a_full_folder_is_in_the_log_until_there_is_room(sample):
    sample.fill()
    wait_for(lambda: sample.log.read_text().count("No space left on device") >= 2)
    assert answers(sample), "a full folder alone is no outage"
    for file in sample.uploads.glob("export-*"):
        file.unlink()
    snapshot = sample.uploads / "snapshot.json"
    snapshot.unlink(missing_ok=True)
    wait_for(snapshot.exists)


def test_crash(sample):
    requests.post(f"{sample.url}/break?how=crash", timeout=5)
    wait_for(lambda: sample.exits)
    assert sample.exits == ["ended with exit code 1"]
    assert sample.process() is None


def test_hang_answers_no_health_check_but_lives(sample):
    requests.post(f"{sample.url}/break?how=hang", timeout=5)
    wait_for(lambda: _hangs(sample))
    assert sample.process() is not None


def _hangs(sample):
    """Tell whether a health check is left without an answer; the service answers `/break` just before it hangs."""
    try:
        requests.get(sample.health_url, timeout=0.3)
    except requests.ReadTimeout:
        return True
    return False


def test_kill(sample):
    pid = sample.kill()
    wait_for(lambda: sample.exits)
    assert sample.exits == ["was ended by signal 9 (SIGKILL)"]
    assert not psutil.pid_exists(pid)
    assert sample.kill() is None


@pytest.mark.parametrize(("method", "path"), [("GET", "/nothing"), ("POST", "/break?how=sulk"), ("POST", "/other")])
def test_what_it_does_not_know(sample, method, path):
    answer = requests.request(method, sample.url + path, timeout=5)
    assert answer.status_code == 404
    assert "/" in answer.json()["error"]


def test_a_pid_file_that_names_somebody_else_is_not_believed(sample):
    sample.pid_file.write_text(str(os.getpid()))
    assert sample.process() is None


def test_it_ends_when_nobody_holds_its_leash_any_more(tmp_path):
    with Place(tmp_path / "demo") as place:
        sample = SampleService(place.root / "sample", *free_ports(1), leash=place.lock)
        sample.prepare()
        sample.start(ENV)
        wait_for(lambda: answers(sample))
        process = sample.process()
        time.sleep(0.3)
        assert process.is_running(), "it must not end while the leash is held"
    process.wait(10)
    assert "nobody holds" in sample.log.read_text()


def test_a_port_that_is_taken_is_one_line(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken, Place(tmp_path / "demo") as place:
        sample = SampleService(place.root / "sample", taken.getsockname()[1], leash=place.lock)
        sample.prepare()
        done = subprocess.run(sample.argv, check=False, capture_output=True, text=True, timeout=20, env=ENV)
    assert done.returncode == 1
    assert done.stderr.strip().splitlines() == [
        f"Error: cannot listen on 127.0.0.1:{sample.port}: Address already in use"
    ]
