"""`service_restart` with a real supervisord of our own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError, StepTimeoutError
from bridge.actions.service_restart import ServiceRestart
from tests.bridge.actions.conftest import MakeContext

CONFIG = """
[unix_http_server]
file={folder}/s.sock
username=bridge
password=pässword
[supervisord]
nodaemon=true
logfile={folder}/log
pidfile={folder}/pid
childlogdir={folder}
user=root
[rpcinterface:supervisor]
supervisor.rpcinterface_factory = supervisor.rpcinterface:make_main_rpcinterface
[program:good]
command=/bin/sleep 1000
startsecs=0
autostart=false
[program:dies]
command=/bin/sh -c "sleep 0.3; exit 3"
startsecs=0
autorestart=false
autostart=false
[program:never]
command=/bin/false
startretries=0
autostart=false
[program:missing]
command=/nonexistent/app
startretries=0
autostart=false
[program:slow]
command=/bin/sleep 1000
startsecs=60
autostart=false
[program:member]
command=/bin/sleep 1000
startsecs=0
autostart=false
[group:many]
programs=member
"""
PROGRAMS = ["good", "dies", "never", "missing", "slow", "many:member", "nobody"]
ALLOW = Allow(units=frozenset(PROGRAMS))


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    if shutil.which("supervisord") is None:
        pytest.skip("needs supervisord (apt-get install supervisor)")
    folder = Path(tempfile.mkdtemp(prefix="remedy-"))
    (folder / "password").write_text("pässword\n")
    (folder / "conf").write_text(CONFIG.format(folder=folder))
    process = subprocess.Popen(["supervisord", "-c", folder / "conf"], stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 20
        while not (folder / "s.sock").exists():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.02)
        yield folder
    finally:
        process.terminate()
        process.wait(20)
        shutil.rmtree(folder)


@pytest.fixture
def context(make_context: MakeContext) -> StepContext:
    return make_context(ALLOW)


def act(
    folder: Path, program: str, operation: str = "restart", settle: str = "100ms", **keys: object
) -> ServiceRestart:
    login = {"username": "bridge", "password_file": folder / "password"}
    supervisor = {"program": program, "url": f"unix://{folder}/s.sock", **login, **keys}
    return ServiceRestart.model_validate({"supervisor": supervisor, "operation": operation, "settle": settle})


def pid_of(said: str) -> int:
    return int(said.rpartition(" ")[2])


@pytest.mark.parametrize("program", ["good", "many:member"])
def test_restart_start_stop(program: str, folder: Path, context: StepContext) -> None:
    first = pid_of(act(folder, program).run(context))
    assert act(folder, program).plan(context) == f"restart {program} of supervisord, now RUNNING"
    assert pid_of(act(folder, program, "start").run(context)) == first
    second = pid_of(act(folder, program).run(context))
    assert first != second
    os.kill(second, 0)
    assert act(folder, program, "stop").run(context) == f"{program} of supervisord is STOPPED"
    assert act(folder, program, "stop").run(context) == f"{program} of supervisord is STOPPED"
    with pytest.raises(ProcessLookupError):
        os.kill(second, 0)


@pytest.mark.parametrize(
    ("program", "keys", "why"),
    [
        ("dies", {"settle": "700ms"}, r"dies did not stay up: it is EXITED"),
        ("never", {}, r"supervisord did not start it: (ABNORMAL_TERMINATION|SPAWN_ERROR)"),
        ("missing", {}, r"supervisord did not start it: (NO_FILE|SPAWN_ERROR)"),
        ("nobody", {}, r"has no program 'nobody'"),
        ("good", {"username": "mallory"}, r"refuses us: 401"),
        ("good", {"url": "unix:///nonexistent.sock"}, r"cannot be asked: No such file"),
        ("good", {"url": "http://127.0.0.1:1"}, r"cannot be asked: Connection refused"),
    ],
)
def test_each_failure_has_its_name(
    program: str, keys: dict[str, str], why: str, folder: Path, context: StepContext
) -> None:
    with pytest.raises(StepError, match=why) as failed:
        act(folder, program, **keys).run(context)
    assert "pässword" not in str(failed.value) + context.output.text()


def test_one_that_takes_too_long_ends_with_the_step(folder: Path, make_context: MakeContext) -> None:
    with pytest.raises(StepTimeoutError):
        act(folder, "slow").run(make_context(ALLOW, seconds=0.7))


def test_what_is_not_named_is_refused(folder: Path, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match=r"supervisor\.program: 'good' is not in allow\.units"):
        act(folder, "good").run(make_context(Allow(units=frozenset({"good.service"}))))


@pytest.mark.parametrize("url", ["http://10.0.0.1:9001", "https://127.0.0.1:1", "unix://x", "http://127.0.0.1.evil:1"])
def test_another_machine_is_not_asked(url: str) -> None:
    with pytest.raises(ValidationError, match="url"):
        ServiceRestart.model_validate({"supervisor": {"program": "x", "url": url}})


OURSELVES = """
import sys, threading
from pathlib import Path
from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.host.supervisor import ProgramInfo, ProgramState, SupervisedProgram
import os
class Ours(SupervisedProgram):
    def info(self, context):
        return ProgramInfo(ProgramState.RUNNING, os.getppid(), 0, "")
context = StepContext({}, "t", "h", Allow(), Path("/tmp"), 1e12, threading.Event())
try:
    Ours(program="bridge").refuse_our_own(context)
except StepError as error:
    print(error)
"""


def test_the_program_that_the_bridge_runs_in_is_refused() -> None:
    done = subprocess.run([sys.executable, "-c", OURSELVES], capture_output=True, text=True, check=True, timeout=30)
    assert "it is a parent of the bridge" in done.stdout
