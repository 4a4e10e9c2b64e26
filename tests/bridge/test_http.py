"""What the bridge answers over HTTP: notifications, the record, and what operators change."""

import contextlib
import gzip
import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from remedy.config.problems import ConfigError
from tests.bridge.served_bridge import CREDENTIALS, Served, served
from tests.bridge.world import TESTDATA, alert, notification
from tests.e2e.waiting import wait_for

ASK = {"alertname": "Ask", "instance": "web-1:9100"}


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


@pytest.fixture(scope="module")
def calm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A bridge that no test of it changes."""
    with served(tmp_path_factory.mktemp("calm")) as running:
        yield running


def down(number: int, **more: Any) -> dict[str, Any]:
    return alert({"alertname": "Down", "instance": f"web-{number}:9100"}, **more)


def test_a_notification_is_answered_with_what_became_of_it(bridge: Served) -> None:
    answer = bridge.notify(alert(ASK), {"status": "firing"}, down(1, status="resolved"))
    assert (answer.status_code, answer.json) == (200, {"accepted": 1, "duplicates": 0, "resolved": 1, "malformed": 1})
    again = bridge.notify(alert(ASK), alert(ASK), {"status": "firing"})
    assert again.json == {"accepted": 0, "duplicates": 2, "resolved": 0, "malformed": 1}
    (malformed,) = bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="malformed")
    assert (malformed["reason"], malformed["looks"]) == ("labels: Field required", 2)
    assert bridge.metric('remediation_notifications_total{result="accepted"}') == 2
    assert bridge.metric('remediation_decisions_total{decision="duplicate",remediation=""}') == 2


@pytest.mark.parametrize("file", sorted(TESTDATA.glob("webhook_*.json")), ids=lambda file: file.stem)
def test_real_notifications_are_taken(bridge: Served, file: Path) -> None:
    if ".http." in file.name:
        return
    body = file.read_bytes()
    firing = sum(each["status"] == "firing" for each in json.loads(body)["alerts"])
    for duplicates in (0, firing):
        answer = bridge.ask("POST", "/webhook", "sender", data=body, content_type="application/json")
        assert answer.json["duplicates"] == duplicates
        assert answer.json["accepted"] == firing - duplicates


GOOD = {"data": notification(), "content_type": "application/json"}
REFUSED = {
    "no JSON": ({**GOOD, "data": b"{"}, 400, "malformed", "the body is not JSON"),
    "no notification": ({**GOOD, "data": b'{"version": "3", "alerts": []}'}, 400, "malformed", "version: "),
    "a form": ({**GOOD, "content_type": "application/x-www-form-urlencoded"}, 415, "wrong_type", "application/json"),
    "text": ({**GOOD, "content_type": "text/plain"}, 415, "wrong_type", "application/json"),
    "no type": ({"data": GOOD["data"]}, 415, "wrong_type", "application/json"),
    "compressed": (
        {**GOOD, "data": gzip.compress(GOOD["data"]), "headers": {"Content-Encoding": "gzip"}},
        415,
        "wrong_type",
        "bodies are taken uncompressed, not as gzip",
    ),
    "too much": ({**GOOD, "data": b" " * (32 * 1024 * 1024 + 1)}, 413, "too_large", ""),
}


@pytest.mark.parametrize(("body", "status", "result", "said"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_notification_is_refused(calm: Served, body: dict, status: int, result: str, said: str) -> None:
    answer = calm.ask("POST", "/webhook", "sender", **body)
    assert answer.status_code == status
    assert said in answer.json["error"]
    assert calm.metric(f'remediation_notifications_total{{result="{result}"}}') >= 1


@pytest.mark.parametrize("kind", ["application/json; charset=utf-8", "application/JSON", "application/vnd.x+json"])
def test_json_by_any_of_its_names(calm: Served, kind: str) -> None:
    assert calm.ask("POST", "/webhook", "sender", data=notification(), content_type=kind).status_code == 200


def test_uncompressed_is_not_compressed(calm: Served) -> None:
    for coding in ("identity", "Identity", ""):
        headers = {"Content-Encoding": coding}
        assert calm.ask("POST", "/webhook", "sender", headers=headers, **GOOD).status_code == 200


def test_what_cannot_be_made_durable_is_503_so_that_it_comes_again(bridge: Served, tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.db")) as other:
        other.execute(
            "CREATE TRIGGER full BEFORE INSERT ON episodes BEGIN SELECT RAISE(FAIL, 'database or disk is full'); END"
        )
        answer = bridge.notify(alert(ASK))
        assert answer.status_code == 503
        assert "database or disk is full" in answer.json["error"]
        assert bridge.metric('remediation_notifications_total{result="unavailable"}') == 1
        other.execute("DROP TRIGGER full")
    assert bridge.notify(alert(ASK)).json["accepted"] == 1


def test_a_bridge_that_waits_for_the_ledger_says_so(bridge: Served, tmp_path: Path) -> None:
    from bridge.service import BridgeService

    second = BridgeService(bridge.file)
    second.start()
    try:
        waiting = Served(second, bridge.file)
        ready = waiting.ask("GET", "/-/ready")
        assert (ready.status_code, "another bridge works on" in ready.text) == (503, True)
        assert waiting.ask("GET", "/-/healthy").status_code == 200
        assert waiting.ask("GET", "/metrics").status_code == 200
        assert waiting.notify(alert(ASK)).status_code == 503
        assert waiting.ask("GET", "/api/v1/runs").status_code == 503
    finally:
        second.stop()
    assert bridge.ask("GET", "/-/ready").status_code == 200


@pytest.mark.parametrize("where", ["Ledger.__init__", "Dispatcher.recover", "Delivery.start"])
def test_what_keeps_it_from_taking_over_is_said_and_tried_again(
    bridge: Served, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    from bridge.service import BridgeService

    def deciding() -> int:
        return [thread.name for thread in threading.enumerate()].count("dispatcher")

    second, before = BridgeService(bridge.file), deciding()
    with capture_logs() as logged, monkeypatch.context() as patched:
        second.start()
        try:
            waiting = Served(second, bridge.file)

            def wrong(*_: object, **__: object) -> None:
                raise ZeroDivisionError("no\nway")

            patched.setattr(f"bridge.core.{where}", wrong)
            bridge.service.stop()
            wait_for(lambda: "cannot be taken over: no" in waiting.ask("GET", "/-/ready").text)
            assert waiting.ask("GET", "/-/ready").text == "the ledger cannot be taken over: no\n"
            assert waiting.notify(down(1)).status_code == 503
            patched.undo()
            wait_for(lambda: waiting.ask("GET", "/-/ready").status_code == 200)
            assert deciding() == before, "the first one's is over, and so is each that was begun in vain"
            waiting.notify(down(1))
            waiting.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
        finally:
            second.stop()
    (line,) = [line for line in logged if line["log_level"] == "error"]
    assert [line["event"] for line in logged].count("the version of SQLite") <= 1, "not at each attempt"
    reason = "the ledger cannot be taken over: no"
    assert (line["event"], line["reason"], line["exc_info"]) == ("cannot take over", reason, True)


def test_a_run_from_notification_to_record(bridge: Served) -> None:
    bridge.notify(down(1))
    (run,) = bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    assert (run["remediation"], run["target"], run["attempts"], run["state"]) == ("auto", "web-1", 1, "ended")
    assert run["episode"]["labels"] == {"alertname": "Down", "instance": "web-1:9100"}
    assert [(step["action"], step["outcome"]) for step in run["steps"]] == [("command", "succeeded")]
    assert "output" not in run["steps"][0]
    (decision,) = bridge.get("/api/v1/decisions")["decisions"]
    assert (decision["decision"], decision["run_id"]) == ("run", run["id"])
    assert decision["episode"]["fingerprint"] == run["episode"]["fingerprint"]
    assert bridge.metric('remediation_runs_total{outcome="unverified",remediation="auto"}') == 1


@pytest.mark.parametrize(
    ("who", "peer", "sees"),
    [
        ("nobody", "loopback", False),
        ("sender", "loopback", False),
        ("operator", "loopback", True),
        ("operator", "network", True),
        ("nobody", "socket", True),
    ],
)
def test_what_steps_print_is_for_operators(bridge: Served, who: str, peer: str, sees: bool) -> None:
    bridge.notify(down(1))
    (run,) = bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    for path in (f"/api/v1/runs/{run['id']}", "/api/v1/runs", "/", "/api/v1/decisions", "/api/v1/episodes"):
        text = bridge.ask("GET", path, who, peer).text
        assert ("hello\\n" in text) == (sees and path[-1].isdigit())
    shown = bridge.ask("GET", f"/api/v1/runs/{run['id']}", who, peer).json
    assert ("output_hidden" in shown) != sees


def test_pages(bridge: Served) -> None:
    bridge.notify(*(alert({"alertname": "Dry", "instance": f"web-{i}:1"}) for i in range(5)))
    bridge.notify(*(alert({"alertname": "Off", "instance": f"web-{i}:1"}) for i in range(5)))
    bridge.wait_for("/api/v1/runs", "runs", 5, outcome="dry_run")
    for what, count in (("runs", 5), ("decisions", 10), ("episodes", 10)):
        path = f"/api/v1/{what}"
        ids = [row["id"] for row in bridge.get(path)[what]]
        assert len(ids) == count
        assert ids == sorted(ids, reverse=True), "the newest first"
        paged, after = [], ""
        while page := bridge.get(f"{path}?limit=2{after}")[what]:
            assert len(page) <= 2
            paged += [row["id"] for row in page]
            after = f"&after={paged[-1]}"
        assert paged == ids
        assert len(bridge.get(f"{path}?limit=999999999999999")[what]) == count
    assert {r["remediation"] for r in bridge.get("/api/v1/decisions?remediation=never")["decisions"]} == {"never"}
    assert len(bridge.get("/api/v1/runs?outcome=dry_run")["runs"]) == 5
    assert bridge.get("/api/v1/runs?outcome=fixed") == {"runs": []}
    assert len(bridge.get("/api/v1/decisions?outcome=dry_run&limit=3")["decisions"]) == 3
    assert bridge.get("/api/v1/runs?remediation=' OR 1=1 --") == {"runs": []}


@pytest.mark.parametrize(
    "query", ["limit=-1", "limit=x", "limit=1.5", "limit=%D9%A3", "after=1e3", "after=" + "9" * 30, "limit="]
)
@pytest.mark.parametrize("what", ["runs", "decisions", "episodes"])
def test_what_is_no_number_is_refused(calm: Served, what: str, query: str) -> None:
    answer = calm.ask("GET", f"/api/v1/{what}?{query}")
    assert answer.status_code == 400
    assert f"{query.partition('=')[0]} is a number, not " in answer.json["error"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("runs?limit=0", "limit is a number from 1 on, not '0'"),
        ("runs?outcome=fxied", "outcome: unknown value 'fxied' (did you mean 'fixed'?)"),
        ("decisions?outcome=", "outcome: unknown value ''"),
        ("runs?limt=5", "unknown parameter 'limt' (did you mean 'limit'?)"),
        ("episodes?outcome=fixed", "unknown parameter 'outcome'"),
    ],
)
def test_a_parameter_that_would_not_be_heeded_is_refused(calm: Served, query: str, said: str) -> None:
    answer = calm.ask("GET", f"/api/v1/{query}")
    assert (answer.status_code, said in answer.json["error"]) == (400, True), answer.json


@pytest.mark.parametrize("run", ["1", "999999999999999", "9" * 30, "-1", "x"])
@pytest.mark.parametrize("how", ["GET ", "POST /approve", "POST /deny", "POST /cancel"])
def test_a_run_that_is_not_there(calm: Served, run: str, how: str) -> None:
    method, _, rest = how.partition(" ")
    answer = calm.ask(method, f"/api/v1/runs/{run}{rest}", "operator")
    assert answer.status_code == 404
    assert answer.json["error"]


def waiting(bridge: Served) -> int:
    bridge.notify(alert(ASK))
    (run,) = bridge.wait_for("/api/v1/runs", "runs", 1, state="awaiting_approval")
    return run["id"]


def test_approved_it_runs(bridge: Served) -> None:
    path = f"/api/v1/runs/{waiting(bridge)}"
    assert bridge.metric('remediation_runs{state="awaiting_approval"}') == 1
    assert bridge.ask("POST", f"{path}/approve", "operator").json["status"] == "ok"
    bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    again = bridge.ask("POST", f"{path}/approve", "operator")
    assert (again.status_code, "waits for no approval" in again.json["error"]) == (409, True)
    assert bridge.ask("POST", f"{path}/cancel", "operator").status_code == 409


@pytest.mark.parametrize(("word", "outcome"), [("deny", "denied"), ("cancel", "cancelled")])
def test_denied_or_cancelled_it_does_not(bridge: Served, word: str, outcome: str) -> None:
    run = waiting(bridge)
    assert bridge.ask("POST", f"/api/v1/runs/{run}/{word}", "operator").status_code == 200
    (ended,) = bridge.get("/api/v1/runs")["runs"]
    assert (ended["outcome"], ended["reason"], ended["steps"]) == (outcome, f"{outcome} by ann (basic)", [])
    assert bridge.ask("POST", f"/api/v1/runs/{run}/{word}", "operator").status_code == 409
    assert bridge.notify(alert(ASK)).json["duplicates"] == 1
    assert len(bridge.get("/api/v1/runs")["runs"]) == 1, "final as long as the alert fires"
    assert bridge.metric(f'remediation_runs_total{{outcome="{outcome}",remediation="asks"}}') == 1
    assert bridge.metric('remediation_decisions_total{decision="denied",remediation="asks"}') == (outcome == "denied")


def pause(bridge: Served, **body: Any) -> Any:
    return bridge.ask("PUT", "/api/v1/pause", "operator", json=body)


def test_a_pause_holds_and_its_end_lets_go(bridge: Served) -> None:
    assert pause(bridge, reason="deploy", duration="1h").status_code == 200
    assert bridge.metric("remediation_paused") == 1
    bridge.notify(down(1))
    (held,) = bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="paused")
    assert held["reason"] == "everything is paused: deploy, says ann (basic)"
    assert held["due_at"]
    assert bridge.ask("DELETE", "/api/v1/pause", "operator").json["status"] == "resumed"
    bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    assert bridge.metric("remediation_paused") == 0
    assert bridge.ask("DELETE", "/api/v1/pause", "operator").status_code == 404


def test_a_pause_of_one_remediation_leaves_the_others(bridge: Served) -> None:
    assert pause(bridge, reason="x", remediation="shows").status_code == 200
    bridge.notify(down(1), alert({"alertname": "Dry", "instance": "web-2:1"}))
    bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="paused", remediation="shows")
    assert bridge.ask("DELETE", "/api/v1/pause", "operator").status_code == 404
    assert bridge.ask("DELETE", "/api/v1/pause?remediation=shows", "operator").status_code == 200


def test_a_pause_ends_by_itself(bridge: Served) -> None:
    assert pause(bridge, reason="x", duration="2s").status_code == 200
    bridge.notify(down(1))
    bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="paused")
    bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")


WRONG_PAUSES = [
    ({}, 400, "reason: Field required"),
    ({"reason": ""}, 400, "reason: "),
    ({"reason": "x" * 1001}, 400, "reason: "),
    ({"reason": "x", "duration": "soon"}, 400, "duration: 'soon' is not a duration such as 30s"),
    ({"reason": "x", "until": "tomorrow"}, 400, "until: "),
    ({"reason": "x", "remediation": ["shows"]}, 400, "remediation: "),
    ({"reason": "x", "remediation": "show"}, 404, "there is no remediation 'show' (did you mean 'shows'?)"),
    (["reason"], 400, "the body is a JSON object"),
    ("reason", 400, "the body is a JSON object"),
]


@pytest.mark.parametrize(("body", "status", "said"), WRONG_PAUSES)
def test_a_wrong_pause_is_refused_in_words(calm: Served, body: Any, status: int, said: str) -> None:
    answer = calm.ask("PUT", "/api/v1/pause", "operator", json=body)
    assert (answer.status_code, said in answer.json["error"]) == (status, True), answer.json
    assert calm.metric("remediation_paused") == 0


WITH_BODY = ["PUT pause", "POST breaker/reset", "POST explain", "POST remediations/auto/run"]


@pytest.mark.parametrize("coding", ["gzip", "br", "x", "identity, gzip"])
@pytest.mark.parametrize("what", WITH_BODY)
def test_a_compressed_body_is_refused_everywhere(calm: Served, what: str, coding: str) -> None:
    method, path = what.split()
    headers = {"Content-Encoding": coding}
    answer = calm.ask(method, f"/api/v1/{path}", "operator", headers=headers, json={})
    assert answer.status_code == 415
    assert answer.json["error"] == f"bodies are taken uncompressed, not as {coding}"


@pytest.mark.parametrize("what", WITH_BODY)
def test_too_much_is_refused_everywhere(calm: Served, what: str) -> None:
    method, path = what.split()
    body = {"data": b" " * (32 * 1024 * 1024 + 1), "content_type": "application/json"}
    assert calm.ask(method, f"/api/v1/{path}", "operator", **body).status_code == 413


@pytest.mark.parametrize("what", WITH_BODY)
def test_a_body_nested_without_end_is_refused(calm: Served, what: str) -> None:
    method, path = what.split()
    body = "[" * 100_000 + "]" * 100_000
    assert (
        calm.ask(method, f"/api/v1/{path}", "operator", data=body, content_type="application/json").status_code == 400
    )


def test_the_breaker_opens_stays_open_and_is_reset_by_a_person(bridge: Served) -> None:
    bridge.notify(*(down(number) for number in range(4)))
    held = bridge.wait_for("/api/v1/decisions", "decisions", 2, decision="breaker_open")
    bridge.wait_for("/api/v1/runs", "runs", 2, outcome="unverified")
    assert bridge.metric('remediation_breaker_open{remediation="auto"}') == 1
    assert bridge.metric('remediation_breaker_open{remediation="asks"}') == 0
    assert {row["target"] for row in held} <= {f"web-{number}" for number in range(4)}
    wrong = bridge.ask("POST", "/api/v1/breaker/reset", "operator", json={"remediation": "atuo"})
    assert (wrong.status_code, "did you mean 'auto'" in wrong.json["error"]) == (404, True)
    for odd in (5, "\ud800", "x" * 1001):
        refused = bridge.ask("POST", "/api/v1/breaker/reset", "operator", json={"remediation": odd})
        assert (refused.status_code, refused.json["error"].partition(":")[0]) == (400, "remediation")
    reset = bridge.ask("POST", "/api/v1/breaker/reset", "operator", json={"remediation": "auto"})
    assert reset.json["remediations"] == ["auto"]
    assert bridge.ask("POST", "/api/v1/breaker/reset", "operator").json["remediations"] in ([], ["auto"])


def test_a_wrong_reload_keeps_the_old_one_and_says_so(bridge: Served) -> None:
    name, right = "remediation_config_last_reload_successful", bridge.file.read_text()
    assert bridge.metric(name) == 1
    bridge.configure(right.replace("match:", "mach:"))
    answer = bridge.ask("POST", "/-/reload", "operator")
    assert answer.status_code == 400
    assert "unknown key 'mach' (did you mean 'match'?)" in answer.json["error"]
    assert bridge.metric(name) == 0
    bridge.service.reload()
    assert bridge.metric(name) == 0
    bridge.notify(down(1))
    bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    bridge.configure(right.replace("name: auto", "name: renamed"))
    assert bridge.ask("POST", "/-/reload", "operator").json == {"status": "reloaded"}
    assert bridge.metric(name) == 1
    bridge.notify(down(2))
    bridge.wait_for("/api/v1/runs", "runs", 1, remediation="renamed")


@pytest.mark.parametrize(
    "wrong", ["listen: 0.0.0.0:9095", "bearer_token_file: /no/such/token", "config_file: /no/such/web.yml"]
)
def test_a_reload_that_would_open_it_or_has_no_credentials_is_wrong_too(bridge: Served, wrong: str) -> None:
    text = bridge.file.read_text()
    database = text.splitlines()[0]
    bridge.configure(f"{database}\nweb: {{{wrong}}}\n")
    assert bridge.ask("POST", "/-/reload", "operator").status_code == 400
    assert bridge.metric("remediation_config_last_reload_successful") == 0
    assert bridge.ask("PUT", "/api/v1/pause").status_code == 401, "the old credentials hold"


def test_the_page_shows_what_fires_and_escapes_it(bridge: Served) -> None:
    bridge.notify(alert({"alertname": "<script>alert(1)</script>", "instance": "web-1:1"}), down(2))
    bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    page = bridge.ask("GET", "/")
    assert page.mimetype == "text/html"
    assert "<script>" not in page.text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page.text
    assert "no remediation matches" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/webhook", 405),
        ("POST", "/nowhere", 404),
        ("GET", "/api/v1/nothing", 404),
        ("PATCH", "/api/v1/pause", 405),
    ],
)
def test_what_is_not_there_is_a_sentence_too(calm: Served, method: str, path: str, status: int) -> None:
    answer = calm.ask(method, path, "operator")
    assert answer.status_code == status
    assert answer.json["error"]
    assert ("Allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("where", ["bridge.core.Bridge.receive", "bridge.web.guard.Guard.look"])
def test_a_mistake_of_ours_is_answered_and_logged(calm: Served, monkeypatch: pytest.MonkeyPatch, where: str) -> None:
    """Alertmanager sends again what gets a 500."""

    def wrong(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(where, wrong)
    headers = {"Host": "127.0.0.1:9095", **CREDENTIALS["sender"]}
    with capture_logs() as logged:
        answer = calm.service.wsgi.test_client().post("/webhook", headers=headers, **GOOD)
    assert (answer.status_code, answer.json) == (500, {"error": "a mistake of the bridge; its log says which"})
    assert [line["event"] for line in logged if line["log_level"] == "error"] == ["a mistake of the bridge"]


def test_beyond_loopback_without_a_credential_it_does_not_start(tmp_path: Path) -> None:
    from bridge.policy.loading import load_policy
    from bridge.service import listen_of

    file = tmp_path / "remediation.yml"
    for listen in ("0.0.0.0:9095", "[::]:9095", "192.0.2.1:9095", "bridge.example:9095"):
        file.write_text(f"database: sqlite:///{tmp_path}/l.db\nweb: {{listen: '{listen}'}}\n")
        file.chmod(0o600)
        with pytest.raises(ConfigError, match="others can reach this address, and nobody has to authenticate: set web"):
            listen_of(load_policy(file))
