"""Two Alertmanagers, each of which lists an alert, does not, or lies: what is made of what they say together."""

import itertools
import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from bridge.decision.facts import History, Standing
from bridge.decision.gates import Case, Verdict, decide
from bridge.peers.client import PeerClient
from bridge.peers.standing import Standings
from bridge.policy.peer import Peer
from tests.bridge.local_server import Asked, Reply, listening, saying
from tests.bridge.served_bridge import STEPS, served
from tests.bridge.test_peers import cut_off, dripping, dripping_head, hanging
from tests.bridge.world import DOWN, alert, episode, policy

ONE = episode(received_at=time.time())
SETTINGS = policy()
OLD, YOUNG = "2001-01-01T00:00:00.000Z", "2999-01-01T00:00:00.000Z"


def listing(**status: list[str]) -> list[dict[str, Any]]:
    return [{"fingerprint": ONE.fingerprint, "labels": DOWN, "status": {"state": "active", **status}}]


def alertmanager(alerts: Any, uptime: str = OLD) -> Reply:
    def reply(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        answer = {"uptime": uptime} if "status" in handler.path else alerts
        saying(200, json.dumps(answer).encode())(handler, body)

    return reply


def only_the_list(handler: BaseHTTPRequestHandler, body: bytes) -> None:
    """It lists nothing, and does not say for how long it has been up."""
    saying(200, b"[]")(handler, body) if "alerts" in handler.path else saying(500)(handler, body)


KNOWS = {
    "lists": alertmanager(listing()),
    "lists, young": alertmanager(listing(), YOUNG),
    "silenced": alertmanager(listing(silencedBy=["s1"], inhibitedBy=[])),
    "inhibited": alertmanager(listing(silencedBy=[], inhibitedBy=["f1"])),
}
ABSENT = {"absent": alertmanager([])}
CANNOT_TELL = {
    "absent, young": alertmanager([], YOUNG),
    "absent, of unknown age": only_the_list,
    "hangs": hanging,
    "drips": dripping,
    "drips its head": dripping_head,
    "breaks off": cut_off,
    "an error": saying(500, b"[]"),
    "elsewhere": saying(302, Location="http://127.0.0.1:9/"),
    "no JSON": saying(200, b"<html>"),
    "nothing": alertmanager(None),
    "an object": alertmanager({ONE.fingerprint: listing()}),
    "half a list": alertmanager([*listing(), None]),
    "a list of words": alertmanager([ONE.fingerprint]),
    "silences that are none": alertmanager([{"fingerprint": ONE.fingerprint, "status": {"silencedBy": 5}}]),
    "an odd age": alertmanager([], "yesterday"),
}
KINDS = KNOWS | ABSENT | CANNOT_TELL


@pytest.fixture(scope="module")
def servers() -> Iterator[tuple[Asked, Asked]]:
    with listening() as one, listening() as other:
        yield one, other


@pytest.fixture(scope="module")
def ask(servers: tuple[Asked, Asked]) -> Iterator[Callable[..., Standing]]:
    clients = [PeerClient(Peer.model_validate({"url": each.url, "timeout": "300ms"})) for each in servers]
    standings = Standings(None, clients, time.time)
    yield lambda about=ONE: standings.ask([about])[about.fingerprint]
    standings.close()
    for client in clients:
        client.close()


def verdict(standing: Standing, *, age: float = 0, attempts: int = 0) -> Verdict:
    (remediation,) = SETTINGS.remediations
    now = ONE.notified_at + age
    case = Case(ONE, remediation, "h", "t", SETTINGS.settings.limits, History(attempts=attempts), standing, now)
    return decide(case).verdict


@pytest.mark.parametrize("kinds", list(itertools.combinations_with_replacement(KINDS, 2)), ids=" + ".join)
def test_what_two_say_together(
    servers: tuple[Asked, Asked], ask: Callable[[], Standing], kinds: tuple[str, str]
) -> None:
    for server, kind in zip(servers, kinds, strict=True):
        server.reply = KINDS[kind]
    began = time.monotonic()
    standing = ask()
    assert time.monotonic() - began < 3, "it is bounded by the timeout, however slowly one answers"
    assert standing.listed == any(kind in KNOWS for kind in kinds)
    assert standing.silenced_by == (("s1",) if "silenced" in kinds else ())
    assert standing.inhibited_by == (("f1",) if "inhibited" in kinds else ())
    assert standing.gone == all(kind in ABSENT for kind in kinds)
    assert standing.unknown == (not standing.listed and any(kind in CANNOT_TELL for kind in kinds))
    nobody = all(kind in CANNOT_TELL for kind in kinds)
    held = Verdict.SILENCED if standing.silenced_by else Verdict.INHIBITED if standing.inhibited_by else None
    later = held or (Verdict.RUN if standing.listed else Verdict.NOT_FIRING)
    assert verdict(standing) is (Verdict.RUN if nobody else later), (
        "a fresh notification is evidence where nobody can tell"
    )
    assert verdict(standing, age=30) is later
    assert verdict(standing, attempts=1) is later
    for server, kind in zip(servers, kinds, strict=True):
        if kind in CANNOT_TELL:
            assert server.url in standing.trouble


@pytest.mark.parametrize("uptime", [OLD, YOUNG])
@pytest.mark.parametrize("made_up", ["0000000000000001", "another"])
def test_labels_tell_which_alert_it_is_whatever_fingerprint_came(
    servers: tuple[Asked, Asked], ask: Callable[..., Standing], uptime: str, made_up: str
) -> None:
    """With the labels of a silenced alert and a fingerprint made up, or another alert's, it would have run."""
    another = {"fingerprint": "another", "labels": {"alertname": "Another"}, "status": {"state": "active"}}
    known = [*listing(silencedBy=["s1"], inhibitedBy=[]), another]
    for server in servers:
        server.reply = alertmanager(known, uptime)
    standing = ask(replace(ONE, fingerprint=made_up))
    assert (standing.listed, standing.silenced_by) == (True, ("s1",))
    assert verdict(standing) is Verdict.SILENCED


FIRING = Standing(prometheus=True, asked=1, answered=1, listed=True)


@pytest.mark.parametrize(
    ("prometheus", "error", "expected"),
    [
        (True, "", Verdict.RUN),
        (False, "", Verdict.NOT_FIRING),
        (None, "timed out", Verdict.NOT_FIRING),
        (None, "", Verdict.RUN),
    ],
)
def test_what_alertmanager_lists_must_be_active_in_prometheus(prometheus: Any, error: str, expected: Verdict) -> None:
    standing = replace(FIRING, prometheus=prometheus, prometheus_error=error)
    assert verdict(standing) is expected
    assert not standing.gone


@pytest.mark.slow
def test_one_that_never_answers_delays_no_other_work(tmp_path: Path) -> None:
    """Notifications are taken, what runs ends, people are answered: all while it is being waited for."""
    let_go = threading.Event()
    waiting = threading.Event()

    def stuck(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        if "Stuck" not in handler.path:
            alertmanager(listing(), OLD)(handler, body)
            return
        waiting.set()
        let_go.wait(20)

    step = STEPS.replace("echo, hello", "sleep, '3'")
    with listening() as server:
        server.reply = stuck
        text = f"""
alertmanagers: [{{url: "{server.url}", timeout: 20s}}]
allow: {{commands: [/bin/sleep]}}
remediations: [{{name: sleeps, match: 'alertname=~".*"', verify: none, {step}}}]
"""
        with served(tmp_path, remediations=text) as bridge:
            assert bridge.notify(alert(DOWN)).json["accepted"] == 1
            bridge.wait_for("/api/v1/runs", "runs", 1, state="running")
            assert bridge.notify(alert({**DOWN, "alertname": "Stuck"})).json["accepted"] == 1
            assert waiting.wait(10)
            assert bridge.notify(alert({**DOWN, "alertname": "More"})).json["accepted"] == 1
            bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
            assert not let_go.is_set()
            let_go.set()
