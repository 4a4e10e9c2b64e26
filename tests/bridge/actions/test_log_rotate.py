"""`log_rotate`: no line of a writer that opens its log anew is lost, and nothing outside the root is touched."""

import gzip
import os
import resource
import signal
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.log_rotate import LogRotate
from tests.bridge.actions.conftest import MakeContext


@pytest.fixture
def logs(home: Path) -> Path:
    folder = home / "logs"
    folder.mkdir()
    return folder


@pytest.fixture
def context(logs: Path, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(logs,)))


def texts(logs: Path) -> dict[str, str]:
    """Read all files, the compressed ones unpacked."""
    read = {file.name: file.read_bytes() for file in sorted(logs.iterdir())}
    return {name: (gzip.decompress(raw) if name.endswith(".gz") else raw).decode() for name, raw in read.items()}


def test_generations(logs: Path, context: StepContext) -> None:
    log = logs / "app.log"
    for number in range(1, 6):
        log.write_text(f"{number}")
        log.chmod(0o640)
        assert LogRotate(files=(log,), size=1, keep=3).run(context) == "rotated 1 logs"
    assert texts(logs) == {"app.log": "", "app.log.1": "5", "app.log.2.gz": "4", "app.log.3.gz": "3"}
    assert {stat.S_IMODE(file.stat().st_mode) for file in logs.iterdir()} == {0o640}


def test_only_what_is_large_enough(logs: Path, context: StepContext) -> None:
    (logs / "small.log").write_text("x" * 99)
    (logs / "large.log").write_text("x" * 100)
    (logs / "large.txt").write_text("x" * 100)
    (logs / "deep").mkdir()
    (logs / "deep" / "large.log").write_text("x" * 100)
    action = LogRotate(directories=(logs,), size=100)
    assert action.plan(context) == f"rotate {logs}/large.log (100 bytes)"
    assert action.run(context) == "rotated 1 logs"
    assert (logs / "deep" / "large.log").stat().st_size == 100


WRITER = """
import os, signal, sys, time
told = []
signal.signal(signal.SIGUSR1, lambda *_: told.append(1))
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
print("up", flush=True)
for number in range(3000):
    if told:
        told.clear()
        os.close(log)
        log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(log, f"{number}\\n".encode())
    time.sleep(0.0002)
"""


def test_no_line_of_a_writer_is_lost(logs: Path, context: StepContext) -> None:
    log = logs / "app.log"
    with subprocess.Popen([sys.executable, "-c", WRITER, str(log)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "up\n"
        action = LogRotate(files=(log,), size=1, keep=500)
        rotations = 0
        while writer.poll() is None:
            action.run(context)
            rotations += 1
            if rotations % 3 == 0 and writer.poll() is None:
                writer.send_signal(signal.SIGUSR1)
    assert rotations > 5
    lines = [int(line) for text in texts(logs).values() for line in text.split()]
    assert sorted(lines) == list(range(3000))


def test_what_somebody_still_writes_is_not_compressed(logs: Path, context: StepContext) -> None:
    log = logs / "app.log"
    with log.open("w") as writer:
        for number in range(3):
            writer.write(f"{number}\n")
            writer.flush()
            if number:
                log.write_text("x")
            LogRotate(files=(log,), size=1).run(context)
        assert (logs / "app.log.3").exists()
        assert "somebody still writes" in context.output.text()
    log.write_text("x")
    LogRotate(files=(log,), size=1).run(context)
    assert (logs / "app.log.4.gz").exists()


def test_a_process_that_ends_while_writers_are_looked_for(
    logs: Path, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of two writers the first looked at ends just then: that fails nothing, and the other one is found."""
    (logs / "app.log").write_text("new\n")
    (logs / "app.log.1").write_text("old\n")
    with (logs / "app.log.1").open("a") as old:
        writers = {f"/proc/{writer.pid}/fd": writer for writer in (_sleeping(old.fileno()), _sleeping(old.fileno()))}
    listed, ended = os.scandir, []

    def listing(path: Any = ".") -> Any:
        if str(path) in writers and not ended:
            writers[str(path)].kill()
            ended.append(writers[str(path)].wait())
        return listed(path)

    monkeypatch.setattr(os, "scandir", listing)
    try:
        assert LogRotate(files=(logs / "app.log",), size=1).run(context) == "rotated 1 logs"
    finally:
        for writer in writers.values():
            writer.kill()
            writer.wait()
    assert ended
    assert "not compressed: somebody still writes" in context.output.text()
    assert texts(logs) == {"app.log": "", "app.log.1": "new\n", "app.log.2": "old\n"}


def _sleeping(output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"], stdout=output)


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
@pytest.mark.parametrize("case", ["app.log", "app.log, made anew", "app.log.1", "app.log.2", "app.log.3.gz"])
def test_what_is_taken_away_beside_it(case: str, method: str, home: Path, logs: Path, context: StepContext) -> None:
    """A writer sets its log aside itself, or somebody clears old ones away: just before each call that names the file.

    None of these fails the step, no line is in neither place, and the other log is rotated.
    """
    name, _, made_anew = case.partition(", ")
    taken = home / "taken"

    def take() -> None:
        with suppress(FileNotFoundError):
            (logs / name).rename(taken / name)

    def give_back() -> None:
        with (logs / name).open("a") as log:
            log.write("anew\n")

    for point in count(1):
        _emptied(taken)
        _emptied(logs)
        for number, text in enumerate(("0\n", "1\n", "2\n")):
            (logs / (f"app.log.{number}" if number else "app.log")).write_text(text)
        (logs / "app.log.3.gz").write_bytes(gzip.compress(b"3\n"))
        (logs / "other.log").write_text("other\n")
        with pytest.MonkeyPatch.context() as patched:
            reached = _at_call(point, name, take, give_back if made_anew else lambda: None, patched)
            said = LogRotate(directories=(logs,), size=1, method=method).run(context)
        found = [*texts(logs).values(), *texts(taken).values()]
        expected = {"0\n", "1\n", "2\n", "3\n", "other\n"} | ({"anew\n"} if reached and made_anew else set())
        assert set(found) - {""} == expected, (point, reached)
        assert (logs / "other.log.1").exists()
        assert not list(logs.glob(".*"))
        if not reached:
            break
    assert said == "rotated 2 logs"
    assert point > 2


def _emptied(folder: Path) -> None:
    folder.mkdir(exist_ok=True)
    for file in folder.iterdir():
        file.unlink()


def _at_call(
    point: int, name: str, before: Callable[[], None], after: Callable[[], None], patched: pytest.MonkeyPatch
) -> list[str]:
    """Do something before and after the call of this number that names a file; tell, in a list, that it was reached."""
    calls, reached = count(1), []

    def around(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **keys: Any) -> Any:
            if name not in arguments[:2] or next(calls) != point:
                return function(*arguments, **keys)
            reached.append(function.__name__)
            before()
            try:
                return function(*arguments, **keys)
            finally:
                after()

        return call

    for function in (os.stat, os.open, os.rename, os.unlink, os.link):
        patched.setattr(os, function.__name__, around(function))
    return reached


def test_copytruncate_keeps_the_file_that_is_written(logs: Path, context: StepContext) -> None:
    log = logs / "app.log"
    with log.open("a") as writer:
        writer.write("before\n")
        writer.flush()
        LogRotate(files=(log,), size=1, method="copytruncate").run(context)
        writer.write("after\n")
    assert texts(logs) == {"app.log": "after\n", "app.log.1": "before\n"}


@pytest.mark.parametrize("crash", ["app.log.2", "app.log.1", "app.log"])
def test_an_interrupted_rotation_loses_nothing(crash: str, logs: Path, context: StepContext) -> None:
    """Where a rotation ended after a rename, there is a gap; the next one fills it and deletes nothing."""
    for name in ("app.log", "app.log.1", "app.log.2", "app.log.3"):
        (logs / name).write_text(name)
    (logs / crash).unlink()
    (logs / "app.log").write_text("app.log")
    before = set(texts(logs).values())
    LogRotate(files=(logs / "app.log",), size=1, keep=4, compress=False).run(context)
    assert set(texts(logs).values()) - {""} == before


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
@pytest.mark.parametrize("trap", ["symlink", "hard link", "pipe"])
def test_what_is_no_log_of_ours(trap: str, method: str, home: Path, logs: Path, context: StepContext) -> None:
    precious = home / "precious"
    precious.write_text("x" * 100)
    log = logs / "app.log"
    {"symlink": lambda: log.symlink_to(precious), "hard link": lambda: log.hardlink_to(precious)}.get(
        trap, lambda: os.mkfifo(log)
    )()
    with suppress(StepError):
        LogRotate(files=(log,), size=1, method=method).run(context)
    assert precious.read_text() == "x" * 100


def test_no_symlink_is_written_through(home: Path, logs: Path, context: StepContext) -> None:
    precious = home / "precious"
    precious.write_text("keep")
    for number in range(3):
        (logs / "app.log").write_text("x")
        (logs / f"app.log.{number + 1}").unlink(missing_ok=True)
        (logs / f"app.log.{number + 1}").symlink_to(precious)
        try:
            LogRotate(files=(logs / "app.log",), size=1, keep=3).run(context)
        except StepError:
            continue
    assert precious.read_text() == "keep"


@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_a_disk_that_is_full_loses_nothing(method: str, logs: Path, context: StepContext) -> None:
    """A write may take a part only, and the next one nothing: what was not copied is not cut off."""
    log, text = logs / "app.log", "x" * (1024 * 1024 + 700_000)
    log.write_text(text)
    (logs / "app.log.1").write_bytes(os.urandom(1024 * 1024 + 700_000))
    before = {file.read_bytes() for file in logs.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024 + 500_000, hard))
    try:
        with pytest.raises(StepError, match=r"app\.log' cannot be rotated: File too large"):
            LogRotate(files=(log,), size=1, method=method).run(context)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert before <= {file.read_bytes() for file in logs.iterdir()}
    assert not list(logs.glob(".*"))


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of somebody else")
def test_a_new_log_that_its_writer_could_not_write_is_not_made(home: Path, logs: Path, context: StepContext) -> None:
    log = logs / "app.log"
    log.write_text("x")
    os.chown(logs, 65534, -1)
    home.chmod(0o755)
    os.seteuid(65534)
    try:
        with pytest.raises(StepError, match="cannot be rotated: Operation not permitted"):
            LogRotate(files=(log,), size=1).run(context)
    finally:
        os.seteuid(0)
    assert {file.name: file.stat().st_uid for file in logs.iterdir()} == {"app.log": 0}


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a file of somebody else")
@pytest.mark.parametrize("method", ["rename", "copytruncate"])
def test_all_of_them_belong_to_whom_the_log_belongs(method: str, logs: Path, context: StepContext) -> None:
    log = logs / "app.log"
    for _ in range(3):
        log.write_text("x")
        log.chmod(0o640)
        os.chown(log, 4711, 4712)
        LogRotate(files=(log,), size=1, method=method).run(context)
    found = {
        file.name: (file.stat().st_uid, file.stat().st_gid, file.stat().st_mode & 0o777) for file in logs.iterdir()
    }
    assert found == dict.fromkeys(("app.log", "app.log.1", "app.log.2.gz", "app.log.3.gz"), (4711, 4712, 0o640))


def test_a_rotation_that_ended_without_a_new_log_is_taken_up(logs: Path, context: StepContext) -> None:
    (logs / "app.log.1").write_text("older\n")
    (logs / ".app.log.unfinished").write_text("")
    assert LogRotate(files=(logs / "app.log",), size=1).run(context) == "rotated 0 logs"
    assert texts(logs) == {"app.log": "", "app.log.1": "older\n"}


def test_nothing_is_cut_off_elsewhere_through_what_lies_aside(home: Path, logs: Path, context: StepContext) -> None:
    precious = home / "precious"
    precious.write_text("keep")
    for method in ("rename", "copytruncate"):
        (logs / "app.log").write_text("x")
        for name in (".app.log.unfinished", ".app.log.gz.unfinished"):
            (logs / name).hardlink_to(precious)
        LogRotate(files=(logs / "app.log",), size=1, method=method).run(context)
    assert precious.read_text() == "keep"


def test_nothing_named_is_wrong() -> None:
    with pytest.raises(ValidationError, match="files or directories"):
        LogRotate()
