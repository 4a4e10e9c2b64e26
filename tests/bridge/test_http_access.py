"""Who may do what over HTTP: every role, from everywhere, at every kind of route."""

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import bcrypt
import pytest
from werkzeug.test import TestResponse

from bridge.metrics import Answered
from tests.bridge.served_bridge import CREDENTIALS, Served, served
from tests.bridge.world import alert, notification

OPEN = [("GET", "/-/healthy"), ("GET", "/-/ready"), ("GET", "/metrics")]
READING = [
    ("GET", path)
    for path in ("/", *(f"/api/v1/{name}" for name in ("runs", "decisions", "episodes", "pause", "breaker")))
]
CHANGING = [
    ("POST", "/api/v1/runs/1/approve"),
    ("POST", "/api/v1/runs/1/deny"),
    ("POST", "/api/v1/runs/1/cancel"),
    ("PUT", "/api/v1/pause"),
    ("DELETE", "/api/v1/pause"),
    ("POST", "/api/v1/breaker/reset"),
    ("POST", "/api/v1/remediations/auto/run"),
    ("POST", "/-/reload"),
    ("POST", "/api/v1/explain"),
    ("DELETE", "/api/v1/runs"),
    ("POST", "/nowhere"),
]
NOTIFYING = [("POST", "/webhook")]
PEERS = ("loopback", "network", "socket")
IN, NOBODY, NOT_YOU = None, 401, 403


def expected(kind: str, who: str, peer: str) -> int | None:
    """Say how a request is refused; None: it gets in, whatever becomes of it there."""
    operator = who == "operator" or (peer == "socket" and who == "nobody")
    known = operator or who == "sender"
    match kind:
        case "open":
            return IN
        case "reading":
            return IN if operator or peer != "network" else NOT_YOU if known else NOBODY
        case "changing":
            return IN if operator else NOT_YOU if known else NOBODY
    return IN if known else NOBODY


ROUTES = {"open": OPEN, "reading": READING, "changing": CHANGING, "notifying": NOTIFYING}
TABLE = [
    pytest.param((method, path), who, peer, expected(kind, who, peer), id=f"{method} {path} {who} {peer}")
    for kind, routes in ROUTES.items()
    for method, path in routes
    for who in CREDENTIALS
    for peer in PEERS
]


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("access")) as running:
        yield running


@pytest.mark.parametrize(("request_", "who", "peer", "refused"), TABLE)
def test_who_gets_in(bridge: Served, request_: tuple[str, str], who: str, peer: str, refused: int | None) -> None:
    answer = bridge.ask(*request_, who, peer)
    if refused is None:
        assert answer.status_code not in (401, 403), answer.text
    else:
        assert answer.status_code == refused
        assert answer.json["error"]
    challenges = answer.headers.getlist("WWW-Authenticate")
    assert challenges == (['Bearer realm="remedy"', 'Basic realm="remedy", charset="UTF-8"'] if refused == 401 else [])


@pytest.mark.parametrize(
    "header", ["Bearer", "Bearer ", "Basic !!!", "Basic Og==", "Digest x", "", "\xff", "Bearer a b"]
)
def test_an_odd_credential_is_none(bridge: Served, header: str) -> None:
    assert bridge.ask("POST", "/webhook", headers={"Authorization": header}).status_code == 401


@pytest.mark.parametrize("host", ["attacker.example", "attacker.example:9095", "", "127.0.0.1.attacker.example"])
def test_another_host_is_not_answered_by_anybody(bridge: Served, host: str) -> None:
    for who in ("nobody", "operator"):
        answer = bridge.ask("GET", "/api/v1/runs", who, headers={"Host": host})
        assert answer.status_code == 421
        assert "web.external_hosts" in answer.json["error"]


@pytest.mark.parametrize("host", ["localhost:9095", "127.0.0.1", "[::1]:9095", "10.0.0.5:9095"])
def test_an_address_and_this_machine_are_answered(bridge: Served, host: str) -> None:
    assert bridge.ask("GET", "/-/healthy", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize("header", [{"Origin": "http://attacker.example"}, {"Sec-Fetch-Site": "cross-site"}])
def test_a_page_of_another_site_changes_nothing_with_the_browsers_password(bridge: Served, header: dict) -> None:
    for peer in ("loopback", "socket"):
        answer = bridge.ask("DELETE", "/api/v1/pause", "operator", peer, headers=header)
        assert (answer.status_code, answer.json["error"]) == (403, "a page of another site sent this")


def test_a_page_of_another_site_notifies_nothing_where_loopback_is_open(tmp_path: Path) -> None:
    with served(tmp_path, token=False, users=False) as bridge:
        body = {"data": notification(alert()), "content_type": "application/json"}
        answer = bridge.ask("POST", "/webhook", headers={"Sec-Fetch-Site": "cross-site"}, **body)
        assert answer.status_code == 403


def test_the_web_configurations_headers_come_with_every_answer(tmp_path: Path) -> None:
    with served(tmp_path) as bridge:
        web = tmp_path / "web.yml"
        web.write_text(web.read_text() + "http_server_config: {headers: {X-Frame-Options: deny}}\n")
        assert "X-Frame-Options" not in bridge.ask("GET", "/-/healthy").headers
        assert bridge.ask("POST", "/-/reload", peer="socket").status_code == 200
        assert bridge.ask("GET", "/-/healthy").headers["X-Frame-Options"] == "deny"
        assert bridge.ask("GET", "/api/v1/none", "operator").headers["X-Frame-Options"] == "deny"


def test_without_any_credential_loopback_may_notify_and_read_but_change_nothing(tmp_path: Path) -> None:
    with served(tmp_path, token=False, users=False) as bridge:
        body = {"data": notification(alert()), "content_type": "application/json"}
        assert bridge.ask("POST", "/webhook", **body).status_code == 200
        assert bridge.ask("POST", "/webhook", peer="network", **body).status_code == 401
        assert bridge.ask("GET", "/api/v1/runs").status_code == 200
        assert bridge.ask("GET", "/api/v1/runs", peer="network").status_code == 401
        assert bridge.ask("DELETE", "/api/v1/pause").status_code == 401
        assert bridge.ask("DELETE", "/api/v1/pause", peer="socket").status_code == 404


def wait_for(true: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not true():
        assert time.monotonic() < until
        time.sleep(0.001)


REFUSALS = {
    "a wrong token": ("wrong token", {}, 401, "unauthorized"),
    "no credential": ("nobody", {}, 401, "unauthorized"),
    "a page of another site": ("sender", {"Sec-Fetch-Site": "cross-site"}, 403, "unauthorized"),
    "another host": ("sender", {"Host": "attacker.example"}, 421, "other_host"),
}


@pytest.mark.parametrize(("who", "headers", "status", "result"), REFUSALS.values(), ids=REFUSALS)
def test_refusals_are_counted(bridge: Served, who: str, headers: dict[str, str], status: int, result: str) -> None:
    name = f'remediation_notifications_total{{result="{result}"}}'
    before = bridge.metric(name)
    assert bridge.ask("POST", "/webhook", who, headers=headers).status_code == status
    assert bridge.metric(name) == before + 1


def test_a_password_that_nobody_had_the_time_to_look_at_comes_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A 401 would do so too, but with the next `group_interval` only."""
    looked, answers = threading.Event(), list[TestResponse]()
    monkeypatch.setattr(bcrypt, "checkpw", lambda *_args: looked.wait(20))
    body = {"data": notification(alert()), "content_type": "application/json"}
    with served(tmp_path) as bridge:
        asking = [
            threading.Thread(target=lambda: answers.append(bridge.ask("POST", "/webhook", "operator", **body)))
            for _ in range(6)
        ]
        for each in asking:
            each.start()
        wait_for(lambda: len(answers) == 2)
        assert bridge.ask("GET", "/metrics", "operator").status_code == 200
        looked.set()
        for each in asking:
            each.join()
        assert [answer.status_code for answer in answers] == [503, 503, 200, 200, 200, 200]
        assert [answer.headers["Retry-After"] for answer in answers[:2]] == ["1", "1"]
        assert bridge.metric('remediation_notifications_total{result="unavailable"}') == 2


def test_every_result_is_0_before_it_happens(tmp_path: Path) -> None:
    """`increase()` takes a counter's first sample for its beginning: the first refusal would be missed."""
    with served(tmp_path) as fresh:
        values = {result: fresh.metric(f'remediation_notifications_total{{result="{result}"}}') for result in Answered}
    assert set(values.values()) == {0}


def test_a_reload_takes_other_operators_and_names(tmp_path: Path) -> None:
    with served(tmp_path, users=False, web="external_hosts: [old.example]") as bridge:
        assert bridge.ask("PUT", "/api/v1/pause", "operator").status_code == 401
        text = bridge.file.read_text().replace(
            "external_hosts: [old.example]", f"external_hosts: [new.example], config_file: {tmp_path}/web.yml"
        )
        bridge.configure(text)
        assert bridge.ask("POST", "/-/reload", peer="socket").status_code == 200
        assert bridge.ask("PUT", "/api/v1/pause", "operator").status_code == 400
        assert bridge.ask("GET", "/-/healthy", headers={"Host": "new.example"}).status_code == 200
        assert bridge.ask("GET", "/-/healthy", headers={"Host": "old.example"}).status_code == 421
