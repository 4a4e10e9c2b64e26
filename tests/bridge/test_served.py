"""The bridge as a process of its own: what keeps it from starting, its local socket, signals, bodies without a length."""

# ruff: noqa: E501 - a table is read by its rows

import http.client
import json
import os
import select
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest

from remedy.demo.ports import free_ports
from tests.bridge.served_bridge import TOKEN, configuration
from tests.bridge.world import alert, notification
from tests.e2e.waiting import wait_for

HEADERS = {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"}


def argv(file: Path, start: tuple[str, ...] = ("-m", "remedy")) -> list[str]:
    return [sys.executable, *start, "bridge", "--config", str(file)]


class Process:
    """A running bridge."""

    def __init__(self, folder: Path, start: tuple[str, ...] = ("-m", "remedy")) -> None:
        self.folder, (self.port,) = folder, free_ports(1)
        self.file = folder / "remediation.yml"
        self.configure(configuration(folder).replace("127.0.0.1:9095", f"127.0.0.1:{self.port}"))
        self.log = (folder / "log").open("wb")
        self.process = subprocess.Popen(argv(self.file, start), stdout=self.log, stderr=self.log, cwd=folder)
        wait_for(lambda: self.ask("GET", "/-/ready")[0] == 200)

    def configure(self, text: str) -> None:
        self.file.write_text(text)
        self.file.chmod(0o600)

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, str]:
        return self._ask(http.client.HTTPConnection("127.0.0.1", self.port, timeout=30), method, path, body, headers)

    def locally(self, method: str, path: str, body: Any = None) -> tuple[int, str]:
        connection = http.client.HTTPConnection("localhost", timeout=10)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(self.folder / "bridge.sock"))
        return self._ask(connection, method, path, body, {"Content-Type": "application/json"})

    def _ask(
        self, connection: http.client.HTTPConnection, method: str, path: str, body: Any, headers: dict
    ) -> tuple[int, str]:
        try:
            connection.request(method, path, body, headers, encode_chunked=not isinstance(body, bytes | None))
            answer = connection.getresponse()
            return answer.status, answer.read().decode()
        except (ConnectionRefusedError, FileNotFoundError):
            return 0, ""
        finally:
            connection.close()

    def answered(self, result: str) -> float:
        """Return how many requests to /webhook were answered so."""
        name = f'remediation_notifications_total{{result="{result}"}} '
        (line,) = [line for line in self.ask("GET", "/metrics")[1].splitlines() if line.startswith(name)]
        return float(line.removeprefix(name))

    def end(self) -> str:
        self.process.terminate()
        self.process.wait(30)
        self.log.close()
        return (self.folder / "log").read_text()


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Process]:
    bridge = Process(tmp_path_factory.mktemp("b"))
    yield bridge
    assert "Traceback" not in bridge.end()
    assert bridge.process.returncode == 0


def test_the_local_socket_is_for_its_owner_and_group_and_makes_an_operator(running: Process) -> None:
    mode = stat.S_IMODE((running.folder / "bridge.sock").stat().st_mode)
    assert mode == 0o660
    assert running.ask("DELETE", "/api/v1/pause")[0] == 401
    assert running.locally("DELETE", "/api/v1/pause")[0] == 404
    assert running.locally("PUT", "/api/v1/pause", b'{"reason": "x", "duration": "1s"}')[0] == 200


def test_a_body_without_a_length_is_taken(running: Process) -> None:
    good = notification(alert({"alertname": "Ask", "instance": "web-1"}))
    status, said = running.ask(
        "POST", "/webhook", iter([good[:10], good[10:]]), **HEADERS, **{"Transfer-Encoding": "chunked"}
    )
    assert (status, json.loads(said)["accepted"]) == (200, 1)


def test_too_much_is_refused_before_it_is_read(running: Process) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=10)
    connection.putrequest("POST", "/webhook")
    for name, value in {**HEADERS, "Content-Length": str(32 * 1024**2 + 1)}.items():
        connection.putheader(name, value)
    connection.endheaders(b"{")
    assert connection.getresponse().status == 413
    connection.close()


def chunked(running: Process, body: bytes, *, ends: bool = False) -> tuple[int, str]:
    """Send a body in chunks, as it is given; `ends`: and nothing after it."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=30) as sender:
        head = {"Host": f"127.0.0.1:{running.port}", "Transfer-Encoding": "chunked", "Connection": "close", **HEADERS}
        lines = ["POST /webhook HTTP/1.1", *(f"{name}: {value}" for name, value in head.items())]
        sender.sendall("\r\n".join([*lines, "", ""]).encode() + body)
        if ends:
            sender.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(sender)
        answer.begin()
        return answer.status, answer.read().decode()


def test_wrong_chunks_are_a_bad_request_and_no_mistake_of_ours(running: Process) -> None:
    for body in (b"zz\r\nhello\r\n0\r\n\r\n", b"5\r\nhelloXX0\r\n\r\n", b"-5\r\nhello\r\n0\r\n\r\n"):
        assert chunked(running, body)[0] == 400


def test_too_much_in_chunks_is_too_much(running: Process) -> None:
    """What fits is not taken for the whole."""
    good = notification(alert({"alertname": "Ask", "instance": "web-9"}))
    piece = good + b" " * (1024**2 - len(good))
    pieces = b"".join(b"%x\r\n%s\r\n" % (len(each), each) for each in [piece, *[b" " * 1024**2] * 32])
    assert chunked(running, pieces + b"0\r\n\r\n")[0] == 413
    assert "web-9" not in running.locally("GET", "/api/v1/episodes")[1]


def half(running: Process, good: bytes) -> http.client.HTTPConnection:
    """Send a body of which five bytes are missing."""
    connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
    connection.putrequest("POST", "/webhook")
    for name, value in {**HEADERS, "Content-Length": str(len(good) + 5)}.items():
        connection.putheader(name, value)
    connection.endheaders(good)
    return connection


def test_a_body_that_breaks_off_is_not_taken_for_the_whole_and_comes_again(running: Process) -> None:
    """Alertmanager sends again soon what gets a 5xx; what gets a 4xx, 408 too, only with the next repeat of its group."""
    good = notification(alert({"alertname": "Ask", "instance": "web-8"}))
    malformed, unavailable = running.answered("malformed"), running.answered("unavailable")
    with closing(half(running, good)) as connection:
        connection.sock.shutdown(socket.SHUT_WR)
        answer = connection.getresponse()
        assert (answer.status, json.loads(answer.read())["error"]) == (
            503,
            f"the body broke off after {len(good)} of {len(good) + 5} bytes",
        )
    assert (running.answered("malformed"), running.answered("unavailable")) == (malformed, unavailable + 1)
    assert "web-8" not in running.locally("GET", "/api/v1/episodes")[1]


BROKEN_OFF = [b"5\r\nhello\r\n0\r\n"[:length] for length in range(14)]


@pytest.mark.parametrize("body", BROKEN_OFF)
def test_chunks_that_break_off_come_again_too(running: Process, body: bytes) -> None:
    malformed = running.answered("malformed")
    status, said = chunked(running, body, ends=True)
    assert (status, json.loads(said)["error"]) == (503, "the body broke off")
    assert running.answered("malformed") == malformed


IMPATIENT = "from remedy.web.patience import PatientWorker; PatientWorker.body_seconds = 0.3; import remedy.__main__"


def test_what_takes_too_long_to_send_comes_again(tmp_path: Path) -> None:
    """Who is cut off still hears why."""
    impatient = Process(tmp_path, ("-c", IMPATIENT))
    good = notification(alert({"alertname": "Ask", "instance": "web-7"}))
    try:
        with closing(half(impatient, good)) as connection:
            answer = connection.getresponse()
            assert (answer.status, "the body broke off after" in answer.read().decode()) == (503, True)
        assert (impatient.answered("malformed"), impatient.answered("unavailable")) == (0, 1)
    finally:
        assert "Traceback" not in impatient.end()


def test_forty_half_requests_keep_nobody_waiting(running: Process) -> None:
    """They hold their threads for five seconds; whoever comes is answered before the first of them is cut off."""
    with ExitStack() as slow:
        halves = [slow.enter_context(socket.create_connection(("127.0.0.1", running.port))) for _ in range(40)]
        for half in halves:
            half.sendall(b"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Le")
        body = json.dumps({"version": "4", "alerts": []})
        assert running.ask("POST", "/webhook", body, **HEADERS)[0] == 200
        assert not select.select(halves, [], [], 0)[0], "none of them has been cut off yet"


def test_sighup_reads_the_configuration_anew(running: Process) -> None:
    right = running.file.read_text()
    gauge = "remediation_config_last_reload_successful"
    for text, value in ((right.replace("match:", "mach:"), "0.0"), (right, "1.0")):
        running.configure(text)
        os.kill(running.process.pid, signal.SIGHUP)
        wait_for(lambda expected=f"{gauge} {value}": expected in running.ask("GET", "/metrics")[1])
    assert running.ask("GET", "/-/ready")[0] == 200


WRONG = {
    "open to all": ("web: {listen: '0.0.0.0:9095'}", "0.0.0.0:9095: others can reach this address, and nobody has to authenticate: set web.bearer_token_file or web.config_file"),
    "a wrong key": ("mod: auto", "remediation.yml:1: unknown key 'mod' (did you mean 'mode'?)"),
    "no token": ("web: {bearer_token_file: /no/such/token}", "/no/such/token: cannot be read: No such file or directory"),
    "no folder to be had": ("database: sqlite:////proc/nowhere/ledger.db", "remediation.yml: database: nothing can be written to /proc/nowhere: "),
    "a folder that cannot be written": ("database: sqlite:////proc/ledger.db", "remediation.yml: database: nothing can be written to /proc: "),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), WRONG.values(), ids=WRONG)
def test_what_keeps_it_from_starting_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "remediation.yml"
    file.write_text(text if "database" in text else f"{text}\ndatabase: sqlite:///{tmp_path}/ledger.db\n")
    file.chmod(0o600)
    done = subprocess.run(argv(file), capture_output=True, text=True, check=False, timeout=60, cwd=tmp_path)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if not line.startswith("remedy bridge: http://")]
    assert len(lines) == 1
    assert said in lines[0]
    assert not done.stdout
