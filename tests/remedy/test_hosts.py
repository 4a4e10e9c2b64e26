"""Names that are answered to, pages of other sites, and how a request came."""

import os
import pwd
import socket

import pytest

from remedy.web.hosts import HostCheck, crosses_sites
from remedy.web.peer import Peer, Reach, split_port


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost", True),
        ("LOCALHOST:9095", True),
        ("localhost.:9095", True),
        ("127.0.0.1:9095", True),
        ("[::1]:9095", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("bridge.example:9095", True),
        ("node7", True),
        ("attacker.example", False),
        ("localhost.attacker.example", False),
        ("127.0.0.1.attacker.example:9095", False),
        ("bridge.example.attacker.example", False),
        ("0x7f000001", False),
        ("", False),
        (None, False),
        (":9095", False),
        ("@localhost", False),
        ("attacker.example#localhost", False),
    ],
)
def test_only_names_of_ours_and_addresses_are_answered(host: str | None, known: bool) -> None:
    check = HostCheck([":9095", "unix:/run/bridge.sock", "node7:9095"], ["bridge.example"])
    assert check.knows(host) is known


@pytest.mark.parametrize(
    ("headers", "crosses"),
    [
        ({}, False),
        ({"Host": "localhost:9095", "Origin": "http://localhost:9095"}, False),
        ({"Host": "localhost:9095", "Origin": "http://LOCALHOST:9095"}, False),
        ({"Host": "localhost:9095", "Origin": "http://localhost:3000"}, True),
        ({"Host": "localhost:9095", "Origin": "https://attacker.example"}, True),
        ({"Host": "localhost:9095", "Origin": "null"}, True),
        ({"Sec-Fetch-Site": "cross-site"}, True),
        ({"Sec-Fetch-Site": "same-site"}, True),
        ({"Sec-Fetch-Site": "same-origin"}, False),
        ({"Sec-Fetch-Site": "none"}, False),
    ],
)
def test_pages_of_other_sites_are_told_apart(headers: dict[str, str], crosses: bool) -> None:
    assert crosses_sites(headers) is crosses


@pytest.mark.parametrize(
    ("environ", "reach"),
    [
        ({"REMOTE_ADDR": "127.0.0.1"}, Reach.LOOPBACK),
        ({"REMOTE_ADDR": "::1"}, Reach.LOOPBACK),
        ({"REMOTE_ADDR": "::ffff:127.0.0.1"}, Reach.LOOPBACK),
        ({"REMOTE_ADDR": "::ffff:10.0.0.1"}, Reach.NETWORK),
        ({"REMOTE_ADDR": "10.0.0.1"}, Reach.NETWORK),
        ({"REMOTE_ADDR": ""}, Reach.NETWORK),
        ({}, Reach.NETWORK),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_X_FORWARDED_FOR": "10.0.0.1"}, Reach.NETWORK),
        ({"REMOTE_ADDR": "127.0.0.1", "HTTP_FORWARDED": "for=10.0.0.1"}, Reach.NETWORK),
        ({"REMOTE_ADDR": "10.0.0.1", "HTTP_X_FORWARDED_FOR": "127.0.0.1"}, Reach.NETWORK),
    ],
)
def test_how_a_request_came(environ: dict[str, str], reach: Reach) -> None:
    assert Peer.of(environ) == Peer(reach)


def test_the_local_socket_is_known_by_the_connection_itself() -> None:
    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs:
        assert Peer.of({"gunicorn.socket": ours, "REMOTE_ADDR": ""}) == Peer(
            Reach.LOCAL_SOCKET, user=pwd.getpwuid(os.getuid()).pw_name
        )


@pytest.mark.parametrize(
    ("bind", "parts"),
    [
        ("127.0.0.1:9095", ("127.0.0.1", "9095")),
        ("[::1]:9095", ("::1", "9095")),
        ("[::1]", ("::1", "")),
        ("::1", ("::1", "")),
        (":9095", ("", "9095")),
        ("localhost", ("localhost", "")),
    ],
)
def test_host_and_port(bind: str, parts: tuple[str, str]) -> None:
    assert split_port(bind) == parts
