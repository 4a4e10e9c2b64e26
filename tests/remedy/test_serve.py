"""A real gunicorn: readiness, reload, the local socket, TLS with client certificates, renewed certificates."""

import http.client
import os
import signal
import socket
import ssl
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from tests.remedy.conftest import Certificates


@dataclass
class Served:
    """The process, its addresses, and the service manager that it reports to."""

    process: subprocess.Popen[str]
    port: int
    local: Path
    manager: socket.socket

    def told(self, state: str) -> None:
        """Wait until the service manager has been told."""
        while self.manager.recv(1000) != state.encode():
            pass

    def said(self) -> str:
        """Wait for its next line."""
        return self.process.stdout.readline().strip()


Start = Callable[..., Served]


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    started: list[Served] = []

    def begin(web_config: Path | None = None, **environ: str) -> Served:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            port = probe.getsockname()[1]
        manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        manager.bind(str(tmp_path / "notify"))
        manager.settimeout(30)
        local = tmp_path / "local.sock"
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.remedy.served", f"127.0.0.1:{port},unix:{local}", str(web_config or "")],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "NOTIFY_SOCKET": str(tmp_path / "notify"), **environ},
        )
        started.append(Served(process, port, local, manager))
        return started[-1]

    yield begin
    for served in started:
        served.process.terminate()
        served.process.communicate(timeout=30)
        served.manager.close()


def get(connection: http.client.HTTPConnection) -> str:
    """Ask for / on a connection of its own."""
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


class LocalConnection(http.client.HTTPConnection):
    """HTTP over a local socket."""

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(self.host)


def test_it_is_ready_when_the_service_is_reloads_on_hup_and_ends_on_term(start: Start) -> None:
    served = start()
    served.told("READY=1")
    assert served.said() == "started"
    plain = http.client.HTTPConnection("127.0.0.1", served.port, timeout=10)
    assert get(plain) == "loopback None 0 nothing"
    served.told("WATCHDOG=1")
    served.process.send_signal(signal.SIGHUP)
    assert served.said() == "reloaded"
    assert get(plain) == "loopback None 1 nothing"
    assert get(LocalConnection(str(served.local))) == "local_socket None 1 nothing"
    assert stat.S_IMODE(served.local.stat().st_mode) == 0o660
    served.process.terminate()
    out, err = served.process.communicate(timeout=30)
    assert (out, err, served.process.returncode) == ("stopped\n", "", 0)
    assert not served.local.exists()


def test_work_begins_before_there_is_a_http_side_and_a_reload_meanwhile_waits(start: Start, tmp_path: Path) -> None:
    served = start(SAMPLE_WAITS_FOR=str(tmp_path / "go"))
    assert [served.said(), served.said()] == ["started", "waiting"]
    served.process.send_signal(signal.SIGHUP)
    (worker,) = psutil.Process(served.process.pid).children()
    end = time.monotonic() + 30
    while worker.num_threads() == 1:  # the reload waits in one of its own
        assert time.monotonic() < end
        time.sleep(0.01)
    (tmp_path / "go").touch()
    assert served.said() == "reloaded"
    served.told("READY=1")
    assert get(http.client.HTTPConnection("127.0.0.1", served.port)) == "loopback None 1 nothing"


def test_a_wrong_configuration_is_a_line_and_not_a_trace(start: Start) -> None:
    served = start(SAMPLE_IS_WRONG="1")
    _out, err = served.process.communicate(timeout=30)
    assert served.process.returncode == 2
    assert "sample.yml:3: checks[0]: the key 'kind' is missing" in err.splitlines()
    assert "Traceback" not in err


@pytest.fixture
def web_config(tmp_path: Path, certificates: Certificates) -> Path:
    (tmp_path / "cert.pem").write_bytes(certificates.cert.read_bytes())
    (tmp_path / "key.pem").write_bytes(certificates.key.read_bytes())
    file = tmp_path / "web-config.yml"
    file.write_text(
        f"""
tls_server_config:
  cert_file: cert.pem
  key_file: key.pem
  client_auth_type: VerifyClientCertIfGiven
  client_ca_file: {certificates.ca}
  client_allowed_sans: [alertmanager.example]
  min_version: TLS13
"""
    )
    return file


def secure(served: Served, certificates: Certificates, client: Path | None = None, **limits: ssl.TLSVersion) -> str:
    """Ask over TLS."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    for name, value in limits.items():
        setattr(context, name, value)
    if client is not None:
        context.load_cert_chain(client)
    return get(http.client.HTTPSConnection("localhost", served.port, timeout=10, context=context))


def test_tls_asks_for_certificates_and_picks_up_renewed_ones(
    start: Start, web_config: Path, certificates: Certificates
) -> None:
    served = start(web_config)
    served.told("READY=1")
    assert secure(served, certificates) == "loopback None 0 nothing"
    assert secure(served, certificates, certificates.client) == "loopback alertmanager.example 0 nothing"
    with pytest.raises((ssl.SSLError, OSError)):
        secure(served, certificates, certificates.other_client)
    with pytest.raises(ssl.SSLError):
        secure(served, certificates, maximum_version=ssl.TLSVersion.TLSv1_2)
    with pytest.raises((http.client.HTTPException, OSError)):
        get(http.client.HTTPConnection("127.0.0.1", served.port, timeout=10))
    assert get(LocalConnection(str(served.local))) == "local_socket None 0 nothing", "the local socket has no TLS"

    before = serial(served, certificates)
    renewed = certificates.issuer.issue_cert("localhost")
    renewed.private_key_pem.write_to_path(str(web_config.with_name("key.pem")))
    assert serial(served, certificates) == before, "half renewed: the old one stays"
    renewed.cert_chain_pems[0].write_to_path(str(web_config.with_name("cert.pem")))
    assert serial(served, certificates) != before


def serial(served: Served, certificates: Certificates) -> object:
    """Return the serial number of the certificate that is shown now."""
    context = ssl.create_default_context(cafile=str(certificates.ca))
    with (
        socket.create_connection(("127.0.0.1", served.port), timeout=10) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as wrapped,
    ):
        return wrapped.getpeercert()["serialNumber"]


SLOW = {
    "nothing": b"",
    "half a head": b"POST /slow HTTP/1.1\r\nHost: x\r\n",
    "half a body": b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhello",
    "half a chunk": b"POST /slow HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhe",
}


@pytest.mark.parametrize("beginning", SLOW.values(), ids=SLOW)
def test_who_sends_half_a_request_keeps_nobody_out(start: Start, beginning: bytes) -> None:
    served = start(SAMPLE_IS_IMPATIENT="1")
    served.told("READY=1")
    with ExitStack() as open_:
        for _ in range(3):  # of two threads
            slow = open_.enter_context(socket.create_connection(("127.0.0.1", served.port), timeout=10))
            slow.sendall(beginning)
        plain = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        assert get(plain) == "loopback None 0 nothing"


def test_busy_connections_keep_nobody_out(start: Start) -> None:
    served = start()
    served.told("READY=1")
    others_are_done = threading.Event()

    def ask_on_and_on() -> None:
        busy = http.client.HTTPConnection("127.0.0.1", served.port, timeout=20)
        while not others_are_done.is_set():
            busy.request("GET", "/")
            busy.getresponse().read()
        busy.close()

    busy = [threading.Thread(target=ask_on_and_on) for _ in range(4)]  # of two threads
    for each in busy:
        each.start()
    try:
        for _ in range(10):
            assert get(http.client.HTTPConnection("127.0.0.1", served.port, timeout=5)) == "loopback None 0 nothing"
    finally:
        others_are_done.set()
        for each in busy:
            each.join()


@pytest.mark.parametrize("tls", [False, True])
def test_an_answer_may_take_longer_than_a_request(
    start: Start, web_config: Path, certificates: Certificates, *, tls: bool
) -> None:
    served = start(web_config if tls else None, SAMPLE_IS_IMPATIENT="1")
    served.told("READY=1")
    context = ssl.create_default_context(cafile=str(certificates.ca))
    asked = (
        http.client.HTTPSConnection("localhost", served.port, timeout=20, context=context)
        if tls
        else http.client.HTTPConnection("localhost", served.port, timeout=20)
    )
    asked.request("POST", "/slow", b"x" * 100_000)
    assert asked.getresponse().read() == b"100000 bytes"
    asked.close()
