"""`docker` on a real engine of our own, with an image made of a shell and nothing else."""

import gc
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from exporters.checks.base import Status
from tests.compose.engine import CannotBeHad, Engine, engine_with_a_shell
from tests.exporters.checks.looking import look

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp("docker")
    try:
        with engine_with_a_shell(home) as running:
            yield running
    except CannotBeHad as why:
        pytest.skip(str(why))


def started(engine: Engine, name: str, script: str, *options: str) -> None:
    engine.docker("run", "-d", "--network=none", f"--name={name}", *options, "tiny", "/bin/sh", "-c", script)


@pytest.fixture
def url(engine: Engine) -> Iterator[str]:
    yield f"unix://{engine.socket}"
    for name in engine.docker("ps", "-aq").split():
        engine.docker("rm", "-f", name)


def test_running_stopped_restarted_and_missing(engine: Engine, url: str) -> None:
    memory: dict[str, Any] = {}
    started(engine, "app", "exec sleep 1000")
    asked: dict[str, Any] = {"url": url, "seconds": 20}
    assert look("docker", memory, **asked).status is Status.HEALTHY
    engine.docker("restart", "-t", "0", "app")
    restarted = look("docker", memory, **asked)
    assert (restarted.status, "app was restarted" in restarted.message) == (Status.UNHEALTHY, True), restarted
    assert look("docker", memory, **asked).status is Status.HEALTHY
    engine.docker("stop", "-t", "0", "app")
    stopped = look("docker", memory, **asked)
    assert (stopped.status, stopped.message) == (Status.UNHEALTHY, "app is exited (exit code 137)")
    assert look("docker", containers=["other"], **asked).message == "other does not exist"


def test_jobs_count_by_their_exit_code(engine: Engine, url: str) -> None:
    for name, code in (("good", 0), ("bad", 3)):
        started(engine, name, f"exit {code}", "--label=remedy.job=build")
        engine.docker("wait", name)
    result = look("docker", url=url, job_label="remedy.job", seconds=20)
    assert (result.status, result.message) == (Status.UNHEALTHY, "bad ended with exit code 3")


@pytest.mark.parametrize("limit", ["--cpus=0.1", "--cpu-quota=10000"])
def test_near_its_limits(engine: Engine, url: str, limit: str) -> None:
    memory: dict[str, Any] = {}
    started(engine, "busy", "while :; do :; done", limit)
    asked: dict[str, Any] = {"url": url, "seconds": 20, "max_cpu_percent": 50}
    look("docker", memory, **asked)
    deadline = time.monotonic() + 20
    while "of its cpu" not in (result := look("docker", memory, **asked)).message:
        assert time.monotonic() < deadline, result
        time.sleep(0.5)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_no_engine(tmp_path: Path) -> None:
    """The library leaves its socket to the garbage collector when nobody answers."""
    result = look("docker", url=f"unix://{tmp_path}/none.sock", seconds=2)
    assert (result.status, "cannot be reached" in result.message) == (Status.UNKNOWN, True), result
    gc.collect()
