"""A container's output as a source, from a real Docker engine of our own."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.logs.container import ContainerFeed, _Cursor, _Stream
from exporters.logs.program import Programs
from exporters.logs.settings import DockerLogs
from tests.compose.engine import CannotBeHad, Engine, engine_with_a_shell
from tests.exporters.running import RunningExporter

_COUNTER = 'log_pattern_matches_total{pattern="disk_full"'
_WRITE = (
    "trap 'exit 0' TERM; n=0; while [ $n -lt {0} ]; do n=$((n+1)); echo $n No space left; "
    "echo $n ENOSPC >&2; echo all is well; {1} done; sleep 1000 & wait"
)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    home = tmp_path_factory.mktemp("docker")
    try:
        with engine_with_a_shell(home) as running:
            yield running
    except CannotBeHad as why:
        pytest.skip(str(why))


def started(engine: Engine, script: str, *options: str) -> None:
    engine.docker("run", "-d", "--network=none", "--name=app", *options, "tiny", "/bin/sh", "-c", script)


def wait_for(running: RunningExporter, count: int) -> None:
    deadline = time.monotonic() + 30
    while (seen := running.metric(_COUNTER)) != count and time.monotonic() < deadline:
        time.sleep(0.1)
    assert seen == count


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("driver", ["json-file", "local"])
def test_every_line_counts_once(engine: Engine, tmp_path: Path, driver: str) -> None:
    """Killed while the container writes, restarted, stopped and created anew under the same name."""
    source = {"name": "app", "docker": {"container": "app", "host": f"unix://{engine.socket}"}}
    options = [f"--log-driver={driver}", "--log-opt=max-size=10m"]
    running = RunningExporter(tmp_path, {"log_sources": [{**source, "start_at": "beginning"}]})
    try:
        started(engine, _WRITE.format(300, "sleep 0.01;"), *options)
        for _ in range(3):
            running.start()
            time.sleep(0.7)
            running.stop(signal.SIGKILL)
        running.start()
        wait_for(running, 600)
        engine.docker("restart", "-t", "0", "app")
        wait_for(running, 1200)
        engine.docker("rm", "-f", "app")
        running.stop(signal.SIGKILL)
        long = "x" * (40_000 if driver == "json-file" else 5_000)  # `local` loses the newline of what it splits
        started(engine, f"echo {long}; echo {long} No space left {long}; sleep 1000 & wait", *options)
        running.start()
        wait_for(running, 1201)
        time.sleep(3)  # for what would be counted twice
        assert running.metric(_COUNTER) == 1201
    finally:
        running.stop()
        engine.docker("rm", "-f", "app")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_start_is_at_the_end_and_a_missing_container_is_an_error(engine: Engine, tmp_path: Path) -> None:
    source = {"name": "app", "docker": {"container": "app", "host": f"unix://{engine.socket}"}}
    started(engine, _WRITE.format(5, ""))
    time.sleep(1)
    try:
        with RunningExporter(tmp_path, {"log_sources": [source]}) as running:
            assert running.metric("log_source_errors_total") == 0
            engine.docker("restart", "-t", "0", "app")
            wait_for(running, 10)
            engine.docker("rm", "-f", "app")
            deadline = time.monotonic() + 20
            while not running.metric("log_source_errors_total"):
                assert time.monotonic() < deadline
                time.sleep(0.1)
    finally:
        engine.docker("rm", "-f", "app")


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_first_start_with_the_last_lines(engine: Engine, tmp_path: Path) -> None:
    source = {"name": "app", "start_at": {"last_lines": 3}}
    source["docker"] = {"container": "app", "host": f"unix://{engine.socket}"}
    started(engine, "echo ENOSPC >&2; sleep 0.1; echo 1; sleep 0.1; echo 2; sleep 0.1; echo ENOSPC; sleep 1000 & wait")
    time.sleep(1)
    running = RunningExporter(tmp_path, {"log_sources": [source]})
    try:
        for _ in range(2):
            running.start()
            wait_for(running, 1)
            time.sleep(1)
            assert running.metric(_COUNTER) == 1
            running.stop(signal.SIGKILL)
    finally:
        running.stop()
        engine.docker("rm", "-f", "app")


STAMPS = st.integers(0, 3).map(lambda number: f"2026-11-21T10:00:00.00000000{number}Z")


@given(st.lists(STAMPS, max_size=12).map(sorted), st.data())
def test_streams_go_on_where_they_were(stamps: list[str], data: st.DataObject) -> None:
    """Docker shows again what has the last time stamp; no record is lost or comes twice, wherever it was cut."""
    lines = [f"{stamp} {number}\n".encode() for number, stamp in enumerate(stamps)]
    found, cursor, at = [], _Cursor("", 0), 0
    while at < len(lines):
        end = data.draw(st.integers(at, len(lines)))
        shown = [line for line in lines[:end] if line[:30].decode() >= cursor.stamp]  # --since
        for record in _Stream("x", cursor).feed(b"".join(shown)):
            found.append(record.text)
            after = record.cursor
        cursor = _Cursor.of(str(after)) if end > at else cursor
        at = end
    assert found == [str(number).encode() for number in range(len(lines))]


def test_a_split_line_is_put_together() -> None:
    stamp = b"2026-11-21T10:00:00.000000001Z "
    text = bytes(range(32, 127)) * 500
    shown = b"".join(stamp + text[at : at + 16384] for at in range(0, len(text), 16384))
    assert [record.text for record in _Stream("x", _Cursor("", 0)).feed(shown + b"\n")] == [text]


def test_no_docker_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nothing")
    with pytest.raises(Exception, match="docker: No such file"):
        list(ContainerFeed(DockerLogs(container="app"), "end").follow({}, Programs()))
