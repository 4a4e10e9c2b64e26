"""Ports, sites and certificates: real listeners on free ports of the loopback."""

import http.server
import json
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from exporters.checks.base import Status
from tests.exporters.checks.looking import look

HEALTHY, UNHEALTHY, UNKNOWN = Status.HEALTHY, Status.UNHEALTHY, Status.UNKNOWN


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Return a port that is open, and where nobody ever answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server


def test_tcp(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    assert look("tcp", port=port).status is HEALTHY
    assert look("tcp", port=port, expect="free").status is UNHEALTHY
    listener.close()
    assert look("tcp", port=port).status is UNHEALTHY
    assert look("tcp", port=port, expect="free").status is HEALTHY


class Site(http.server.ThreadingHTTPServer):
    """Answers what the path asks for, over TLS if it has a certificate."""

    def __init__(self, certificate: Path | None = None) -> None:
        super().__init__(("127.0.0.1", 0), Page)
        self.asked: list[dict[str, str]] = []
        self.limited = False
        self.busy = 0
        """Further successful workflow runs of the last minute."""
        if certificate:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.socket = context.wrap_socket(self.socket, server_side=True)
        self.url = f"http{'s' if certificate else ''}://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_args: object) -> None:
        """A client that does not trust us hangs up; that is no news."""


class Page(http.server.BaseHTTPRequestHandler):
    server: Site

    def do_GET(self) -> None:
        self.server.asked.append(dict(self.headers))
        if self.path.startswith("/repos/"):
            self.workflow_runs()
            return
        if self.path == "/slow":
            time.sleep(0.3)
        self.send_response(500 if self.path == "/broken" else 302 if self.path == "/moved" else 200)
        if self.path == "/moved":
            self.send_header("Location", "/")
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')
        while self.path == "/drip":
            time.sleep(0.05)
            self.wfile.write(b"x" * 100_000)

    def workflow_runs(self) -> None:
        if self.headers.get("If-None-Match") == '"1"':
            self.send_response(304)
            self.end_headers()
            return
        self.send_response(403 if self.server.limited else 200)
        self.send_header("X-RateLimit-Remaining", "0" if self.server.limited else "10")
        self.send_header("X-RateLimit-Reset", str(int(time.time()) + 1000))
        self.send_header("ETag", '"1"')
        self.end_headers()
        ago = {name: time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - age)) for name, age in AGES.items()}
        runs = [
            {"name": name, "run_number": 1, "head_branch": "main", "conclusion": CONCLUSIONS[name], "created_at": at}
            for name, at in ago.items()
        ]
        runs = [runs[2]] * self.server.busy + runs  # the newest first
        page = int(parse_qs(urlsplit(self.path).query).get("page", ["1"])[0])
        self.wfile.write(json.dumps({"workflow_runs": runs[100 * (page - 1) : 100 * page]}).encode())

    def log_message(self, *_args: object) -> None:
        pass


AGES = {"tests": 3600, "deploy": 7200, "docs": 60, "old": 90000}
CONCLUSIONS = {"tests": "failure", "deploy": "timed_out", "docs": "success", "old": "failure"}


def serving(site: Site) -> Iterator[Site]:
    with site:
        thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        yield site
        site.shutdown()
        thread.join()


@pytest.fixture
def site() -> Iterator[Site]:
    yield from serving(Site())


@pytest.mark.parametrize(
    ("path", "keys", "status", "says"),
    [
        ("/", {}, HEALTHY, "answered 200"),
        ("/broken", {}, UNHEALTHY, "answered 500"),
        ("/broken", {"status": [500]}, HEALTHY, "answered 500"),
        ("/", {"body": '"status"\\s*:\\s*"ok"'}, HEALTHY, ""),
        ("/", {"body": "all is well"}, UNHEALTHY, "nothing that 'all is well' finds"),
        ("/moved", {}, HEALTHY, ""),
        ("/moved", {"follow_redirects": False}, UNHEALTHY, "answered 302"),
        ("/slow", {"max_latency": "100ms"}, UNHEALTHY, "over the threshold of 0.1 seconds"),
        ("/drip", {}, UNKNOWN, "still sending"),
    ],
)
def test_http(site: Site, path: str, keys: dict[str, Any], status: Status, says: str) -> None:
    result = look("http", url=site.url + path, seconds=0.4, **keys)
    assert (result.status, says in result.message) == (status, True), result


def test_http_with_nobody_there_and_with_one_who_never_answers(listener: socket.socket) -> None:
    port = listener.getsockname()[1]
    hung = look("http", url=f"http://127.0.0.1:{port}/", seconds=0.3)
    assert (hung.status, "did not answer within 0.3 s" in hung.message) == (UNHEALTHY, True), hung
    listener.close()
    gone = look("http", url=f"http://127.0.0.1:{port}/")
    assert (gone.status, gone.message.endswith("Connection refused")) == (UNHEALTHY, True), gone


def test_http_sends_what_it_is_told(site: Site, tmp_path: Path) -> None:
    secrets = tmp_path / "headers"
    secrets.write_text("Authorization: Bearer abc:def\n\nX-Key:  secret \n")
    look("http", url=site.url, headers={"X-Asked-By": "remedy"}, headers_file=secrets)
    sent = [site.asked[0][name] for name in ("X-Asked-By", "Authorization", "X-Key")]
    assert sent == ["remedy", "Bearer abc:def", "secret"]
    moved = look("http", url=f"{site.url}/moved", headers_file=secrets)
    assert (moved.status, len(site.asked)) == (UNHEALTHY, 2), "what is secret goes nowhere else"
    secrets.write_text("hunter2\n")
    wrong = look("http", url=site.url, headers_file=secrets)
    assert (wrong.status, "hunter2" in wrong.message) == (UNKNOWN, False)


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make certificates that are good for 40 days, 10 days, and no longer."""
    folder = tmp_path_factory.mktemp("certificates")
    for days in (40, 10, -1):
        _make_certificate(folder / f"{days}.pem", days)
    return folder


def _make_certificate(file: Path, days: int) -> None:
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    made = made.not_valid_before(now - timedelta(days=50)).not_valid_after(now + timedelta(days=days))
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(pem + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))


@pytest.mark.parametrize(
    ("days", "status", "says"),
    [(40, HEALTHY, "expires in 4"), (10, UNHEALTHY, "less than 30d"), (-1, UNHEALTHY, "expired 1.0 days ago")],
)
def test_certificate(certificates: Path, days: int, status: Status, says: str) -> None:
    """The same from a file and from a server that shows it."""
    file = certificates / f"{days}.pem"
    from_file = look("tls_certificate", path=file)
    assert (from_file.status, says in from_file.message) == (status, True), from_file
    for site in serving(Site(file)):
        port = site.server_address[1]
        shown = look("tls_certificate", host="127.0.0.1", port=port)
        assert (shown.status, says in shown.message) == (status, True), shown


def test_certificate_that_is_none(tmp_path: Path, listener: socket.socket) -> None:
    assert look("tls_certificate", path=tmp_path / "none").status is UNHEALTHY
    hung = look("tls_certificate", host="127.0.0.1", port=listener.getsockname()[1], seconds=0.3)
    assert hung.status is UNHEALTHY


def test_self_signed_site(certificates: Path) -> None:
    for site in serving(Site(certificates / "40.pem")):
        refused = look("http", url=site.url)
        assert (refused.status, "certificate verify failed" in refused.message) == (UNHEALTHY, True), refused
        assert look("http", url=site.url, tls_verify=False).status is HEALTHY


@pytest.mark.parametrize(
    ("days", "threshold", "status"), [(40, "30d", HEALTHY), (10, "30d", UNHEALTHY), (10, None, HEALTHY)]
)
def test_certificate_of_a_site(certificates: Path, days: int, threshold: str | None, status: Status) -> None:
    keys = {} if threshold is None else {"certificate_threshold": threshold}
    for site in serving(Site(certificates / f"{days}.pem")):
        result = look("http", url=site.url, tls_verify=False, **keys)
    (measured,) = result.also
    assert (result.status, measured.unit, measured.threshold) == (
        status,
        "certificate_seconds",
        30 * 86400 if threshold else None,
    )
    assert days * 86400 - 100 < measured.value <= days * 86400
    assert ("less than 30d" in result.message) == (status is UNHEALTHY)


@pytest.mark.parametrize(("threshold", "status"), [(None, HEALTHY), ("30d", UNHEALTHY)])
def test_a_site_that_shows_its_certificate_once(certificates: Path, threshold: str | None, status: Status) -> None:
    """What nobody asked for makes nothing unhealthy."""
    with Site(certificates / "40.pem") as site:
        thread = threading.Thread(target=lambda: (site.handle_request(), site.server_close()))
        thread.start()
        keys = {"certificate_threshold": threshold} if threshold else {}
        result = look("http", url=site.url, tls_verify=False, **keys)
        thread.join()
    assert result.status is status, result


_SILENT_RESOLVER = """
import fcntl, json, socket, struct, subprocess, sys, time
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as up:
    fcntl.ioctl(up, 0x8914, struct.pack("16sH", b"lo", 0x1 | 0x40))
subprocess.run(["mount", "--bind", sys.argv[1], "/etc/resolv.conf"], check=True)
silent = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
silent.bind(("127.0.0.1", 53))
from tests.exporters.checks.looking import look
for kind, keys in json.loads(sys.argv[2]):
    memory, began = {}, time.monotonic()
    first = look(kind, memory, seconds=0.5, **keys)
    in_time = time.monotonic() - began < 3
    print(kind, first.status, in_time, "still waits" in look(kind, memory, seconds=0.5, **keys).message)
"""


def test_a_resolver_that_never_answers(tmp_path: Path) -> None:
    """In a network of its own, where a resolver takes every question and answers none."""
    name = {"host": "name.example"}
    asked = [
        ("http", {"url": "http://name.example/"}),
        ("tcp", name | {"port": 1}),
        ("tls_certificate", name),
        ("redis", name),
        ("postgresql", name),
        ("github_actions", {"repository": "a/b", "api_url": "http://name.example"}),
    ]
    (tmp_path / "resolv.conf").write_text("nameserver 127.0.0.1\noptions timeout:20 attempts:1\n")
    script = [sys.executable, "-c", _SILENT_RESOLVER, str(tmp_path / "resolv.conf"), json.dumps(asked)]
    if subprocess.run(["unshare", "-rmn", "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine makes no namespaces for us")
    done = subprocess.run(["unshare", "-rmn", *script], capture_output=True, text=True, check=False, timeout=60)
    assert [line.split() for line in done.stdout.splitlines()] == [
        [kind, "unknown" if kind == "github_actions" else "unhealthy", "True", "True"] for kind, _ in asked
    ], done.stderr


def test_github_actions(site: Site, tmp_path: Path) -> None:
    """The answer's form is GitHub's; that it is asked conditionally, and not at all when limited, is seen here."""
    (tmp_path / "token").write_text("secret\n")
    keys = {"repository": "acme/app", "api_url": site.url, "token_file": tmp_path / "token"}
    memory: dict[str, Any] = {}
    first = look("github_actions", memory, **keys)
    assert (first.status, first.value) == (UNHEALTHY, 2), first
    assert site.asked[0]["Authorization"] == "Bearer secret"
    again = look("github_actions", memory, **keys)
    assert (again.value, site.asked[1]["If-None-Match"]) == (2, '"1"')
    assert look("github_actions", {}, **keys, workflows=["docs"]).status is HEALTHY
    site.busy = 230
    assert look("github_actions", {}, **keys).value == 2, "those that failed are on the third page"
    assert [request.get("If-None-Match") for request in site.asked[-3:]] == [None] * 3
    site.limited = True
    limited: dict[str, Any] = {}
    assert look("github_actions", limited, **keys).status is UNKNOWN
    asked = len(site.asked)
    assert "rate limit" in look("github_actions", limited, **keys).message
    assert len(site.asked) == asked


def test_the_openssl_program_agrees(certificates: Path) -> None:
    end = subprocess.run(
        ["openssl", "x509", "-in", certificates / "40.pem", "-noout", "-checkend", str(39 * 86400)], check=False
    )
    assert (end.returncode, look("tls_certificate", path=certificates / "40.pem", threshold="39d").status) == (
        0,
        HEALTHY,
    )
