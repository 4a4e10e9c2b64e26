"""`check_port` and `kill_process_on_port`: real listeners on free ports."""

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

from bridge.actions.base import Allow, StepRefusedError, StepTimeoutError
from bridge.actions.check_port import CheckPort
from bridge.actions.kill_process_on_port import KillProcessOnPort
from tests.bridge.actions.conftest import MakeContext

LISTENER = """
import socket, sys, time
server = socket.create_server(("127.0.0.1", 0))
print(server.getsockname()[1], flush=True)
time.sleep(300)
"""


@pytest.fixture
def listener() -> Iterator[tuple["subprocess.Popen[str]", int]]:
    process = subprocess.Popen([sys.executable, "-c", LISTENER, "listener"], stdout=subprocess.PIPE, text=True)
    assert process.stdout
    yield process, int(process.stdout.readline())
    process.kill()
    process.wait()
    process.stdout.close()


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
    return port


def test_a_port_is_freed(listener: tuple["subprocess.Popen[str]", int], make_context: MakeContext) -> None:
    process, port = listener
    action = KillProcessOnPort(port=port, expect={"command_line": "listener$"})
    context = make_context(Allow(ports=frozenset({port})))
    assert f"end process {process.pid}" in action.plan(context)
    assert action.run(context) == f"port {port} is free: 1 processes were ended"
    assert process.wait(5) == -15
    assert action.run(context) == f"nobody listens on port {port}"


@pytest.mark.parametrize(
    "expect", [{"name": "nginx"}, {"command_line": "nginx"}, {"command_line": ".", "user": "nobody"}]
)
def test_another_listener_is_left_alone(
    expect: dict[str, str], listener: tuple["subprocess.Popen[str]", int], make_context: MakeContext
) -> None:
    process, port = listener
    with pytest.raises(StepRefusedError, match="was expected"):
        KillProcessOnPort(port=port, expect=expect).run(make_context(Allow(ports=frozenset({port}))))
    assert process.poll() is None


def test_a_port_that_is_not_allowed(listener: tuple["subprocess.Popen[str]", int], make_context: MakeContext) -> None:
    process, port = listener
    with pytest.raises(StepRefusedError, match="is not in allow"):
        KillProcessOnPort(port=port, expect={"command_line": "."}).run(make_context(Allow(ports=frozenset({port + 1}))))
    assert process.poll() is None


def test_the_bridges_own_port(make_context: MakeContext) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StepRefusedError, match="it is the bridge itself"):
            KillProcessOnPort(port=port, expect={"command_line": "."}).run(make_context(Allow(ports=frozenset({port}))))
    assert os.getpid()


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
def test_an_open_port(address: str, make_context: MakeContext) -> None:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.create_server((address, 0), family=family) as server:
        port = server.getsockname()[1]
        assert CheckPort(port=port, expect="open").run(make_context()) == f"port {port} is open"
        with pytest.raises(StepTimeoutError, match=f"port {port} did not become free in time"):
            CheckPort(port=port, expect="free").run(make_context(seconds=0.3))


def test_a_free_port(make_context: MakeContext) -> None:
    port = free_port()
    assert CheckPort(port=port, expect="free").run(make_context()) == f"port {port} is free"
    with pytest.raises(StepTimeoutError, match="did not become open in time"):
        CheckPort(port=port, expect="open").run(make_context(seconds=0.3))


def test_it_waits_for_a_port(make_context: MakeContext) -> None:
    port, opened = free_port(), threading.Event()

    def open_later() -> None:
        with socket.create_server(("127.0.0.1", port)):
            opened.wait(10)

    later = threading.Timer(0.3, open_later)
    later.start()
    try:
        CheckPort(port=port, expect="open").run(make_context())
    finally:
        opened.set()
        later.join()
