"""A Prometheus or an Alertmanager that is slow, lies or is down is a sentence, soon, and without any secret."""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bridge.peers.alertmanager import ask
from bridge.peers.client import PeerClient, PeerError
from bridge.peers.observer import ObserverError
from bridge.peers.prometheus import PrometheusObserver
from bridge.peers.relabel import Sending
from bridge.policy.peer import Peer
from remedy.demo.ports import free_ports
from tests.bridge.local_server import Asked, Reply, listening, saying
from tests.bridge.world import TESTDATA, when


@pytest.fixture(scope="module")
def server() -> Iterator[Asked]:
    with listening() as asked:
        yield asked


@pytest.fixture
def client_of(server: Asked) -> Iterator[Callable[..., PeerClient]]:
    made: list[PeerClient] = []

    def make(**keys: Any) -> PeerClient:
        made.append(PeerClient(Peer.model_validate({"url": server.url, "timeout": "300ms", **keys})))
        return made[-1]

    yield make
    for client in made:
        client.close()


def dripping(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(100):
        handler.wfile.write(b" ")
        handler.wfile.flush()
        time.sleep(0.05)


def dripping_head(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    for char in b"HTTP/1.1 200 OK" + b" " * 100:
        handler.wfile.write(bytes([char]))
        handler.wfile.flush()
        time.sleep(0.05)


def dripping_chunk(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    """The length of a piece that never begins: no byte of the body comes, and no read of the socket times out."""
    handler.wfile.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(100):
        handler.wfile.write(b"0")
        handler.wfile.flush()
        time.sleep(0.05)


def hanging(_handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    time.sleep(1)


def cut_off(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(b"{")
    handler.close_connection = True


def huge(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
    handler.send_response(200)
    handler.end_headers()
    for _ in range(70):
        handler.wfile.write(b" " * 1024 * 1024)


LIES: dict[str, tuple[Reply, str]] = {
    "hangs": (hanging, "did not answer: timed out"),
    "drips": (dripping, "did not answer: timed out"),
    "drips its head": (dripping_head, "did not answer: timed out"),
    "drips a piece's length": (dripping_chunk, "did not answer: timed out"),
    "breaks off": (cut_off, "did not answer: "),
    "is no JSON": (saying(200, b"<html>"), "did not answer with JSON to /x"),
    "is nothing": (saying(200), "did not answer with JSON to /x"),
    "is nested without end": (saying(200, b"[" * 100_000), "did not answer with JSON to /x"),
    "points elsewhere": (saying(302, Location="http://127.0.0.1:9/"), "answered 302 to /x"),
    "is forbidden": (saying(403, b"go away"), "answered 403 to /x: go away"),
    "is no compressed text": (saying(200, b"junk", **{"Content-Encoding": "gzip"}), "did not answer: "),
}


@pytest.mark.parametrize(("reply", "why"), LIES.values(), ids=LIES)
def test_an_answer_that(server: Asked, client_of: Callable[..., PeerClient], reply: Reply, why: str) -> None:
    server.reply = reply
    began = time.monotonic()
    with pytest.raises(PeerError) as refused:
        client_of().get("/x")
    assert str(refused.value).startswith(f"{server.url} {why}")
    assert time.monotonic() - began < 3


def test_an_answer_without_end(server: Asked, client_of: Callable[..., PeerClient]) -> None:
    server.reply = huge
    with pytest.raises(PeerError, match="answered more than 67108864 bytes"):
        client_of(timeout="30s").get("/x")


def test_nobody_there(client_of: Callable[..., PeerClient]) -> None:
    url = f"http://127.0.0.1:{free_ports(1)[0]}"
    with pytest.raises(PeerError, match=f"^{url}/ did not answer: no connection|^{url} did not answer: no connection"):
        client_of(url=url).get("/x")


def test_how_it_is_authenticated(server: Asked, client_of: Callable[..., PeerClient], tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("hunter2\n")
    basic = f"Basic {base64.b64encode(b'me:hunter2').decode()}"
    ways = [
        ({}, None),
        ({"authorization": {"credentials": "hunter2"}}, "Bearer hunter2"),
        ({"authorization": {"type": "Token", "credentials_file": secret}}, "Token hunter2"),
        ({"basic_auth": {"username": "me", "password": "hunter2"}}, basic),
        ({"basic_auth": {"username": "me", "password_file": secret}}, basic),
        (
            {"basic_auth": {"username": "mé", "password": "h€nter"}},
            f"Basic {base64.b64encode('mé:h€nter'.encode()).decode()}",
        ),
        ({"authorization": {"credentials": "h€nter"}}, "Bearer h€nter".encode().decode("latin-1")),
    ]
    server.reply = saying(200, b"{}")
    for keys, header in ways:
        client_of(**keys).get("/x")
        assert server.requests[-1][1].get("Authorization") == header


def test_a_secret_that_cannot_be_read_is_said_and_none_is_repeated(
    server: Asked, client_of: Callable[..., PeerClient], tmp_path: Path
) -> None:
    gone = tmp_path / "gone"
    with pytest.raises(PeerError, match=rf"was not asked: {gone} cannot be read \(FileNotFoundError\)"):
        client_of(authorization={"credentials_file": gone}).get("/x")
    gone.write_text("hunter2\nand more")
    with pytest.raises(PeerError) as refused:
        client_of(authorization={"credentials_file": gone}).get("/x")
    assert "hunter2" not in str(refused.value)
    server.reply = saying(401, b"no")
    with pytest.raises(PeerError) as refused:
        client_of(basic_auth={"username": "me", "password": "hunter2"}).get("/x")
    assert "hunter2" not in str(refused.value)


STATUS = (TESTDATA / "api_v2_status.json").read_bytes()


def alertmanager(alerts: bytes, status: bytes = STATUS) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        saying(200, status if "status" in handler.path else alerts)(handler, body)

    return reply


@pytest.mark.parametrize(
    ("name", "silenced", "inhibited"),
    [("active", 0, 0), ("suppressed_after_notification", 1, 0), ("inhibited", 0, 1)],
)
def test_real_listings_are_read(
    server: Asked, client_of: Callable[..., PeerClient], name: str, silenced: int, inhibited: int
) -> None:
    body = (TESTDATA / f"api_v2_alerts_{name}.json").read_bytes()
    server.reply = alertmanager(body)
    view = ask(client_of(), None, time.time())
    assert set(view.listings) == {alert["fingerprint"] for alert in json.loads(body)}
    assert sum(bool(each.silenced_by) for each in view.listings.values()) == silenced
    assert sum(bool(each.inhibited_by) for each in view.listings.values()) == inhibited


@pytest.mark.parametrize(("up_for", "counts"), [(0, False), (299, False), (300, True), (-60, False)])
@pytest.mark.parametrize("tells_the_time", [True, False])
def test_one_that_has_only_just_started_proves_nothing_by_absence(
    server: Asked, client_of: Callable[..., PeerClient], up_for: float, counts: bool, tells_the_time: bool
) -> None:
    """By its own clock, whatever ours says; by ours where it does not tell the time."""
    started = 1_800_000_000
    status = json.dumps({"uptime": "2027-01-15T08:00:00.000Z"}).encode()
    its_time = formatdate(started + up_for, usegmt=True) if tells_the_time else "soon"

    def reply(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        handler.date_time_string = lambda: its_time
        alertmanager(b"[]", status)(handler, body)

    server.reply = reply
    for now in (started, started + 1000) if tells_the_time else (started + up_for,):
        view = ask(client_of(), None, now)
        assert (view.listings, view.absence_counts) == ({}, counts)


@pytest.mark.parametrize("name", ['a"b', "a\\b", "a\nb", "ä {}", 'x",y="z'])
def test_a_name_is_quoted_in_the_question(server: Asked, client_of: Callable[..., PeerClient], name: str) -> None:
    server.reply = alertmanager(b"[]")
    server.requests.clear()
    assert ask(client_of(), name, time.time()).listings == {}
    assert "%22" in server.requests[0][0]


NO_ALERTMANAGER = [b"{}", b"null", b"[1]", b"[{}]", b'[{"fingerprint": "x", "status": []}]', b'"text"', b"[[]]"]


@pytest.mark.parametrize("body", NO_ALERTMANAGER)
def test_who_does_not_answer_as_an_alertmanager_knows_nothing(
    server: Asked, client_of: Callable[..., PeerClient], body: bytes
) -> None:
    long_ago = json.dumps({"uptime": "2001-01-01T00:00:00.000Z"}).encode()
    server.reply = alertmanager(body, long_ago)
    view = ask(client_of(), None, time.time())
    assert not view.listings
    assert not view.absence_counts
    server.reply = alertmanager(b"[]", body)
    assert ask(client_of(), None, time.time()).listings is None


NO_PROMETHEUS = [
    b"{}",
    b"null",
    b"[]",
    b'"x"',
    b'{"status": "error"}',
    b'{"status": "success"}',
    b'{"status": "success", "data": 5}',
]
NO_CONFIGURATIONS = ["- a list", "global: 5", "alerting: {alert_relabel_configs: [5]}", "{", "x: [1"]


@pytest.mark.parametrize("text", NO_CONFIGURATIONS)
def test_a_configuration_that_is_none(server: Asked, client_of: Callable[..., PeerClient], text: str) -> None:
    server.reply = prometheus({"yaml": text})
    with pytest.raises(ObserverError, match=f"^{server.url} "):
        PrometheusObserver(client_of()).firing()


def test_a_configuration_is_read_as_its_prometheus_wrote_it(
    server: Asked, client_of: Callable[..., PeerClient]
) -> None:
    """A lone `=` is a text to Go, and so is what Python's YAML takes for a number or a time."""
    hashed = "alert_relabel_configs: [{action: hashmod, source_labels: [pod], modulus: 1000, target_label: shard}]"
    external = "external_labels: {shift: 12_30, since: 2026-1-2 3:04}"
    scraped = "scrape_configs: [{job_name: a, relabel_configs: [{separator: =}]}]"
    server.reply = prometheus({"yaml": f"global: {{{external}}}\nalerting: {{{hashed}}}\n{scraped}\n"})
    assert PrometheusObserver(client_of()).firing() == [
        {"alertname": "Down", "shift": "12_30", "since": "2026-1-2 3:04", "shard": "958"}
    ]


def test_a_configuration_that_stays_is_read_once(
    server: Asked, client_of: Callable[..., PeerClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A long one takes its second, and nothing else is decided meanwhile."""
    now, read = [0.0], []
    monkeypatch.setattr("bridge.peers.prometheus.Sending.of", lambda config: read.append(config) or Sending())
    server.reply = prometheus({"yaml": "global: {}"})
    observer = PrometheusObserver(client_of(), monotonic=lambda: now[0])
    for now[0] in (0, 30, 100, 200):
        observer.firing()
    assert read == [{"global": {}}]
    server.reply = prometheus({"yaml": "alerting: {}"})
    now[0] = 300
    observer.firing()
    assert read[1:] == [{"alerting": {}}]


def test_a_rule_that_cannot_be_followed_is_said(server: Asked, client_of: Callable[..., PeerClient]) -> None:
    server.reply = prometheus({"yaml": "alerting: {alert_relabel_configs: [{regex: '[[:alpha:'}]}"})
    with pytest.raises(ObserverError, match=f"^{server.url} relabels alerts with .*, a regular expression"):
        PrometheusObserver(client_of()).firing()


def test_who_shows_no_configuration_changes_nothing(server: Asked, client_of: Callable[..., PeerClient]) -> None:
    """As vmalert and others that evaluate rules; anything but a 404 is no answer."""
    server.reply = prometheus(None, status=404)
    assert PrometheusObserver(client_of()).firing() == [{"alertname": "Down"}]
    server.reply = prometheus(None, status=500)
    with pytest.raises(ObserverError, match="answered 500 to /api/v1/status/config"):
        PrometheusObserver(client_of()).firing()


def prometheus(config: Any, status: int = 200) -> Reply:
    alerts = {"alerts": [{"state": "firing", "labels": {"alertname": "Down"}}]}

    def reply(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        configured = "config" in handler.path
        text = json.dumps({"status": "success", "data": config if configured else alerts}).encode()
        saying(status if configured else 200, text)(handler, body)

    return reply


NOW = 1_800_000_000.0


@pytest.mark.parametrize(
    ("ahead", "seen"), [(0, 0), (1.9, 1.9), (-1.9, -1.9), (3600, -1), (-3600, -1), (86400, -1), (None, 0)]
)
def test_its_times_are_turned_into_ours(
    server: Asked, client_of: Callable[..., PeerClient], ahead: float | None, seen: float
) -> None:
    """What it evaluated just now, by its clock, is never newer by ours than it is, however wrong one of them goes."""
    its_now = NOW + (ahead or 0)

    def reply(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        rule = {"name": "Down", "lastEvaluation": when(its_now), "health": "ok", "query": "x"}
        point = {"metric": {}, "value": [its_now, "1"], "values": [[its_now, "1"]]}
        answers = {
            "rules": {"groups": [{"rules": [rule]}]},
            "query": {"resultType": "vector", "result": [point]},
            "config": {"yaml": ""},
        }
        name = next(name for name in answers if name in handler.path)
        handler.date_time_string = lambda: "soon" if ahead is None else formatdate(its_now, usegmt=True)
        saying(200, json.dumps({"status": "success", "data": answers[name]}).encode())(handler, body)

    server.reply = reply
    observer = PrometheusObserver(client_of(), lambda: NOW)
    found = [observer.rule("Down").evaluated_at, observer.series("up", {})[0].at, observer.query("up")[0].at]
    assert found == pytest.approx([NOW + seen] * 3, abs=0.01)


def test_what_a_rule_fills_in_makes_no_other_alert_of_the_same_series(
    server: Asked, client_of: Callable[..., PeerClient]
) -> None:
    """Else a disk that goes from 95 % to 96 % would have healed. What is set once and for all tells rules apart."""
    labels = {"alertname": "Full", "instance": "web-1", "severity": "page", "value": "96"}
    rule = {"name": "Full", "lastEvaluation": when(NOW), "health": "ok", "query": "x", "alerts": [{"labels": labels}]}
    rules = {"groups": [{"rules": [rule | {"labels": {"severity": "page", "value": "{{ $value }}"}}]}]}

    def reply(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        data = {"yaml": "global: {external_labels: {cluster: eu}}"} if "config" in handler.path else rules
        saying(200, json.dumps({"status": "success", "data": data}).encode())(handler, body)

    server.reply = reply
    view = PrometheusObserver(client_of(), lambda: NOW).rule("Full")
    bare = {"alertname": "Full", "instance": "web-1", "severity": "page"}
    assert view is not None
    assert view.active == (bare, bare | {"cluster": "eu"})


QUESTIONS: dict[str, Callable[[PrometheusObserver], object]] = {
    "rule": lambda observer: observer.rule("Down"),
    "firing": lambda observer: observer.firing(),
    "series": lambda observer: observer.series("up", {"instance": 'a"b\\c\n{}'}),
    "query": lambda observer: observer.query("up"),
}


@pytest.mark.parametrize("body", NO_PROMETHEUS)
@pytest.mark.parametrize("question", QUESTIONS.values(), ids=QUESTIONS)
def test_who_does_not_answer_as_a_prometheus_is_said_to(
    server: Asked, client_of: Callable[..., PeerClient], question: Callable[[PrometheusObserver], object], body: bytes
) -> None:
    server.reply = saying(200, body)
    with pytest.raises(ObserverError, match=f"^{server.url} did not answer as a Prometheus does$"):
        question(PrometheusObserver(client_of()))


def test_a_peer_is_asked_from_several_threads(server: Asked, client_of: Callable[..., PeerClient]) -> None:
    server.reply = saying(200, b"[1]")
    client, answers = client_of(timeout="10s"), []
    threads = [threading.Thread(target=lambda: answers.append(client.get("/x"))) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [[1]] * 20
