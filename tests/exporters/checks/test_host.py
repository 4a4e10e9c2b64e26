"""Files, folders, processes, commands and the host itself."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from exporters.checks.base import Status
from tests.exporters.checks.looking import look

HEALTHY, UNHEALTHY, UNKNOWN = Status.HEALTHY, Status.UNHEALTHY, Status.UNKNOWN


@pytest.mark.parametrize(
    ("kind", "keys", "status", "says"),
    [
        ("disk", {"path": "/", "threshold": 100}, HEALTHY, "GB free"),
        ("disk", {"path": "/", "threshold": 0.0001}, UNHEALTHY, "over the threshold"),
        ("disk", {"path": "/proc"}, HEALTHY, "0.0 % full"),
        ("disk", {"path": "/", "threshold": 100, "inodes_threshold": 0.0001}, UNHEALTHY, "of the inodes of /"),
        ("memory", {"threshold": 100}, HEALTHY, "GB available"),
        ("memory", {"threshold": 0.001}, UNHEALTHY, "over the threshold"),
        ("cpu", {"threshold": 100}, HEALTHY, "busy"),
        ("command", {"argv": ["/bin/echo", "all is well"]}, HEALTHY, "all is well"),
        ("command", {"argv": ["/bin/sh", "-c", "echo no; exit 3"]}, UNHEALTHY, "/bin/sh exited 3: no"),
        ("command", {"argv": ["/bin/sh", "-c", "exit 3"], "exit_codes": [3]}, HEALTHY, "exited 3"),
        ("command", {"argv": ["/bin/echo", "n: 12"], "value": r"n: (\d+)", "threshold": 11}, UNHEALTHY, "says 12"),
        ("command", {"argv": ["/bin/echo", "none"], "value": r"length: (\d+)"}, UNKNOWN, "printed nothing"),
        ("command", {"argv": ["/bin/sleep", "60"]}, UNKNOWN, "did not end in time"),
    ],
)  # fmt: skip
def test_looks(kind: str, keys: dict[str, Any], status: Status, says: str) -> None:
    result = look(kind, seconds=1, **keys)
    assert (result.status, says in result.message) == (status, True), result


def test_a_command_that_hangs_is_killed_with_all_it_started(tmp_path: Path) -> None:
    pid = tmp_path / "pid"
    look("command", seconds=0.5, argv=["/bin/sh", "-c", f"sleep 60 & echo $! > {pid}; wait"])
    deadline = time.monotonic() + 5
    while Path(f"/proc/{pid.read_text().strip()}/cmdline").exists() and _cmdline(pid):
        assert time.monotonic() < deadline, "what it started still runs"
        time.sleep(0.01)


def _cmdline(pid: Path) -> bytes:
    """Return the command line; a zombie has none."""
    return Path(f"/proc/{pid.read_text().strip()}/cmdline").read_bytes()


@pytest.mark.parametrize(
    ("keys", "status", "says"),
    [
        ({}, HEALTHY, "as it should be"),
        ({"exists": False}, UNHEALTHY, "exists"),
        ({"path": "/nothing/here"}, UNHEALTHY, "does not exist"),
        ({"path": "/nothing/here", "exists": False}, HEALTHY, "does not exist"),
        ({"max_age": "1h"}, UNHEALTHY, "more than 1h"),
        ({"min_age": "1h"}, HEALTHY, ""),
        ({"min_age": "3h"}, UNHEALTHY, "less than 3h"),
        ({"max_bytes": 9}, UNHEALTHY, "has 10 bytes, more than 9"),
        ({"min_bytes": 11}, UNHEALTHY, "has 10 bytes, fewer than 11"),
        ({"mode": "0640"}, HEALTHY, ""),
        ({"mode": "0600"}, UNHEALTHY, "has mode 0640, not 0600"),
        ({"owner": "nobody"}, UNHEALTHY, "not to nobody"),
    ],
)
def test_file(tmp_path: Path, keys: dict[str, Any], status: Status, says: str) -> None:
    file = tmp_path / "it"
    file.write_bytes(b"x" * 10)
    file.chmod(0o640)
    os.utime(file, (time.time() - 7200,) * 2)
    result = look("file", **{"path": file, **keys})
    assert (result.status, says in result.message) == (status, True), result


def test_directory(tmp_path: Path) -> None:
    (tmp_path / "below").mkdir()
    for name in ("one", "below/two"):
        (tmp_path / name).write_bytes(b"x" * 1000)
    (tmp_path / "link").symlink_to("/usr")
    assert look("directory", path=tmp_path, threshold=2100).status is HEALTHY
    over = look("directory", path=tmp_path, threshold=1999)
    assert (over.status, over.details["files"]) == (UNHEALTHY, 3)


def test_process(tmp_path: Path) -> None:
    mark, pid_file = f"mark-{os.getpid()}", tmp_path / "pid"
    argv = [sys.executable, "-c", "import sys; sys.stdin.read()", mark]
    with subprocess.Popen(argv, stdin=subprocess.PIPE) as process:
        pid_file.write_text(f"{process.pid}\n")
        assert look("process", cmdline=mark).value == 1
        assert look("process", pid_file=pid_file).status is HEALTHY
        assert look("process", cmdline=mark, at_least=2).status is UNHEALTHY
        assert look("process", cmdline=mark, at_most=0).status is UNHEALTHY
        assert look("process", cmdline=mark, max_memory_mb=1).status is UNHEALTHY
        assert look("process", cmdline=mark, min_age="1h").status is UNHEALTHY
        assert look("process", cmdline=mark, max_age="1ms").status is UNHEALTHY
        assert look("process", cmdline=mark, max_age="1h").status is HEALTHY
        memory, age = look("process", cmdline=mark).also
        assert (memory.value > 1_000_000, memory.unit, 0 < age.value < 60) == (True, "memory_bytes", True)
        process.kill()
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
        assert look("process", pid_file=pid_file).status is UNHEALTHY, "a zombie does not run"
    assert look("process", cmdline=mark).status is UNHEALTHY
    assert look("process", pid_file=pid_file).status is UNHEALTHY
