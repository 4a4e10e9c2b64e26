"""Whose password and whose client certificate make an operator: a real bridge behind TLS."""

import http.client
import ssl
import subprocess
import sys
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import bcrypt
import pytest
import trustme

from bridge.policy.loading import load_policy
from bridge.service import access_of
from remedy.config.problems import ConfigError
from remedy.demo.ports import free_ports
from tests.bridge.world import alert, notification
from tests.e2e.waiting import wait_for

TOKEN, PASSWORD = "t0ken", "correct horse"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


def basic(user: str) -> dict[str, str]:
    return {"Authorization": f"Basic {b64encode(f'{user}:{PASSWORD}'.encode()).decode()}"}


def write(file: Path, text: str | bytes) -> Path:
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    file.chmod(0o600)
    return file


def configure(folder: Path, port: int, operators: str) -> Path:
    """Write the web configuration with two users, and remediation.yml."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    write(
        folder / "web.yml",
        "tls_server_config: {cert_file: server.pem, key_file: server.key,"
        " client_auth_type: VerifyClientCertIfGiven, client_ca_file: ca.pem}\n"
        f"basic_auth_users: {{ann: {hashed}, robot: {hashed}}}\n",
    )
    write(folder / "token", TOKEN)
    web = f"listen: 127.0.0.1:{port}, bearer_token_file: {folder}/token, config_file: {folder}/web.yml, {operators}"
    return write(folder / "remediation.yml", f"database: sqlite:///{folder}/ledger.db\nweb: {{{web}}}\n")


class Secure:
    """A bridge behind TLS."""

    def __init__(self, folder: Path, operators: str) -> None:
        self.folder, (self.port,) = folder, free_ports(1)
        self.authority = trustme.CA()
        server = self.authority.issue_cert("localhost", "127.0.0.1")
        write(folder / "server.pem", b"".join(part.bytes() for part in server.cert_chain_pems))
        write(folder / "server.key", server.private_key_pem.bytes())
        write(folder / "ca.pem", self.authority.cert_pem.bytes())
        file = configure(folder, self.port, operators)
        with (folder / "log").open("wb") as log:
            argv = [sys.executable, "-m", "remedy", "bridge", "--config", str(file)]
            self.process = subprocess.Popen(argv, stdout=log, stderr=log, cwd=folder)
        try:
            wait_for(lambda: self.ask("GET", "/-/ready") == 200)
        except BaseException:
            self.process.kill()
            self.process.wait()
            raise

    def ask(self, method: str, path: str, headers: dict[str, str] | None = None, certificate: str | None = None) -> int:
        """Send one request, perhaps with a client certificate of these names; return the status."""
        context = ssl.create_default_context(cadata=self.authority.cert_pem.bytes().decode())
        if certificate is not None:
            self.authority.issue_cert(*certificate.split()).configure_cert(context)
        connection = http.client.HTTPSConnection("localhost", self.port, timeout=10, context=context)
        body = notification(alert()) if path == "/webhook" else b"{}" if method == "PUT" else None
        try:
            connection.request(method, path, body, {"Content-Type": "application/json", **(headers or {})})
            return connection.getresponse().status
        except ConnectionRefusedError:
            return 0
        finally:
            connection.close()

    def end(self) -> None:
        self.process.terminate()
        assert self.process.wait(30) == 0


@pytest.fixture(scope="module")
def named(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    bridge = Secure(tmp_path_factory.mktemp("s"), "operators: [ann, ops.example]")
    yield bridge
    bridge.end()


@pytest.fixture(scope="module")
def usual(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Secure]:
    bridge = Secure(tmp_path_factory.mktemp("s"), "")
    yield bridge
    bridge.end()


OPERATOR, SENDER, NOBODY = (200, 400), (200, 403), (401, 401)
"""What a notification and a change are answered with; the change itself is a wrong one."""
NAMED = {
    "no credential": ({}, None, NOBODY),
    "the token": (BEARER, None, SENDER),
    "a named user": (basic("ann"), None, OPERATOR),
    "another user": (basic("robot"), None, SENDER),
    "a named certificate": ({}, "ops.example", OPERATOR),
    "one of its names is named": ({}, "laptop.example ops.example", OPERATOR),
    "another certificate": ({}, "alertmanager.example", SENDER),
    "a part of a name": ({}, "ops.example.evil.example", SENDER),
    "the token counts before the certificate": (BEARER, "ops.example", SENDER),
    "a wrong password too": ({"Authorization": "Basic eDp5"}, "ops.example", NOBODY),
}
USUAL = {
    "a user": (basic("robot"), None, OPERATOR),
    "a certificate": ({}, "ops.example", SENDER),
}


@pytest.mark.parametrize(("headers", "certificate", "expected"), NAMED.values(), ids=NAMED)
def test_where_operators_are_named(named: Secure, headers: dict, certificate: str | None, expected: tuple) -> None:
    got = named.ask("POST", "/webhook", headers, certificate), named.ask("PUT", "/api/v1/pause", headers, certificate)
    assert got == expected


@pytest.mark.parametrize(("headers", "certificate", "expected"), USUAL.values(), ids=USUAL)
def test_where_they_are_not(usual: Secure, headers: dict, certificate: str | None, expected: tuple) -> None:
    got = usual.ask("POST", "/webhook", headers, certificate), usual.ask("PUT", "/api/v1/pause", headers, certificate)
    assert got == expected


def test_a_name_that_nobody_can_have_is_a_mistake(tmp_path: Path) -> None:
    file = configure(tmp_path, 9095, "operators: [anne]")
    write(tmp_path / "web.yml", (tmp_path / "web.yml").read_text().splitlines()[1])
    with pytest.raises(ConfigError) as wrong:
        access_of(load_policy(file))
    assert "web.operators: no user is called 'anne' (did you mean 'ann'?)" in str(wrong.value)
