"""`service_restart` with plain processes that no pid file names: found by port or looks, or not touched."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepContext, StepRefusedError
from bridge.actions.check_port import CheckPort
from bridge.actions.host.matching import listeners
from bridge.actions.service_restart import ServiceRestart
from tests.bridge.actions.conftest import MakeContext, MakeScript
from tests.bridge.actions.test_service_restart_process import gone
from tests.remedy.commands.test_operators import free_port

SERVER = f"""#!{sys.executable} -IS
import os, socket, sys
listener = socket.create_server(("127.0.0.1", int(sys.argv[1])))
if os.fork() == 0:
    os.execv("/bin/sleep", ["sleep", "300"])
while True:
    listener.accept()
"""


class Server:
    """A service that listens, and has a child."""

    def __init__(self, script: Path) -> None:
        self.script, self.port = script, free_port()

    def action(self, operation: str = "restart", **keys: object) -> ServiceRestart:
        process = {"argv": [str(self.script), str(self.port)], "grace": "300ms", **(keys or {"port": self.port})}
        return ServiceRestart.model_validate({"process": process, "operation": operation, "settle": "100ms"})

    @property
    def pid(self) -> int | None:
        return next(iter(listeners(self.port)), None)


@pytest.fixture
def server(home: Path, make_script: MakeScript) -> Iterator[Server]:
    server = Server(make_script("server", SERVER))
    yield server
    for process in psutil.process_iter():
        try:
            if str(server.script) in process.cmdline():
                for child in [*process.children(recursive=True), process]:
                    child.kill()
        except psutil.Error:
            continue


@pytest.fixture
def context(server: Server, make_context: MakeContext) -> StepContext:
    return make_context(Allow(commands=(server.script,), ports=frozenset({server.port})))


@pytest.mark.parametrize("found_by", ["port", "command_line"])
def test_found_ended_and_started_anew(found_by: str, server: Server, context: StepContext) -> None:
    keys = {"port": server.port} if found_by == "port" else {"command_line": f"{server.script.name} {server.port}$"}
    assert "it was not running; started as process" in server.action(**keys).run(context)
    CheckPort(port=server.port, expect="open").run(context)
    first = server.pid
    child = psutil.Process(first).children()[0]
    assert "runs already" in server.action("start", **keys).run(context)
    assert f"process {first} (" in server.action(**keys).plan(context)
    server.action(**keys).run(context)
    CheckPort(port=server.port, expect="open").run(context)
    assert server.pid not in (first, None)
    assert gone(child.pid)
    server.action("stop", **keys).run(context)
    assert server.pid is None


def test_somebody_else_on_the_port_is_left_alone(server: Server, context: StepContext) -> None:
    code = "import socket, sys; s = socket.create_server(('127.0.0.1', int(sys.argv[1]))); print(); s.accept()"
    argv = [sys.executable, "-u", "-c", code, str(server.port)]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as other:
        other.stdout.readline()
        try:
            with pytest.raises(StepRefusedError, match=r"listens on port .* is not the one meant"):
                server.action().run(context)
            assert other.poll() is None
        finally:
            other.kill()


def test_of_several_none_is_touched(server: Server, context: StepContext) -> None:
    with ExitStack() as stack:
        others = [stack.enter_context(subprocess.Popen(["sleep", "4711.25"])) for _ in range(2)]
        try:
            with pytest.raises(StepRefusedError, match=r"2 processes look like it .* name a pid_file"):
                server.action(command_line=r"^sleep 4711\.25$").run(context)
            assert [other.poll() for other in others] == [None, None]
        finally:
            for other in others:
                other.kill()


def test_a_port_must_be_allowed(server: Server, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match=r"process\.port: \d+ is not in allow\.ports"):
        server.action().run(make_context(Allow(commands=(server.script,))))


def test_there_must_be_a_way_to_find_it() -> None:
    with pytest.raises(ValidationError, match="pid_file, port or command_line must be given"):
        ServiceRestart.model_validate({"process": {"argv": ["/usr/local/bin/app"]}})
