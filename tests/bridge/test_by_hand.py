"""A remediation that a person runs: the gates it passes, what it is refused for, what stands on record."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from bridge.decision.by_hand import WishError, wish
from tests.bridge.local_server import listening
from tests.bridge.served_bridge import Served, served
from tests.bridge.world import alert, policy

STEPS = "steps: [{command: {argv: [/bin/echo, hello]}}]"
REMEDIATIONS = f"""
alertmanagers: [{{url: "http://127.0.0.1:1"}}]
allow: {{commands: [/bin/echo, /bin/false, /bin/sleep]}}
limits: {{concurrent: 2, targets: {{max: 2, window: 1h}}}}
defaults: {{cooldown: 0s, max_retries: 0, retry_delay: 0s}}
notifiers: {{ops: {{kind: log}}}}
remediations:
  - {{name: plain, match: 'alertname="Down"', verify: none, {STEPS}}}
  - {{name: proven, match: 'alertname="Up"', {STEPS}, escalate: [{{after_attempts: 1, to: [ops]}}]}}
  - {{name: fails, match: 'alertname="Bad"', steps: [{{command: {{argv: [/bin/false]}}}}],
     escalate: [{{after_attempts: 1, to: [ops]}}]}}
  - {{name: rests, match: 'alertname="Rest"', cooldown: 1h, verify: none, {STEPS}}}
  - {{name: slow, match: 'alertname="Slow"', verify: none, steps: [{{command: {{argv: [/bin/sleep, "1"]}}}}]}}
  - {{name: asks, match: 'alertname="Ask"', mode: approve, verify: none, {STEPS}}}
  - {{name: shows, match: 'alertname="Dry"', mode: dry_run, {STEPS}}}
  - {{name: never, match: 'alertname="Off"', mode: off, {STEPS}}}
  - {{name: not-auto, match: 'alertname="Not"', auto_fix: false, {STEPS}}}
"""


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path, remediations=REMEDIATIONS) as running:
        yield running


def fix(bridge: Served, name: str, target: str = "web-1", who: str = "operator", **more: Any) -> TestResponse:
    return bridge.ask("POST", f"/api/v1/remediations/{name}/run", who, json={"target": target, **more})


def ended(bridge: Served, answer: TestResponse) -> dict[str, Any]:
    bridge.wait_for("/api/v1/runs", "runs", 1, id=answer.json["run_id"], state="ended")
    return bridge.get(f"/api/v1/runs/{answer.json['run_id']}")


def test_it_is_an_episode_a_decision_and_a_run_like_any_other_and_says_who_asked(bridge: Served) -> None:
    answer = fix(bridge, "plain", reason="hangs")
    assert answer.status_code == 200
    run = ended(bridge, answer)
    assert (run["remediation"], run["target"], run["host"], run["outcome"]) == ("plain", "web-1", "web-1", "unverified")
    assert run["by_hand"] == "ann (basic)"
    assert run["episode"]["labels"] == {"alertname": "Down", "host": "web-1"}
    (decision,) = bridge.get("/api/v1/decisions")["decisions"]
    said = "plain may run on web-1: by hand, asked for by ann (basic): hangs"
    assert (decision["decision"], decision["reason"], decision["run_id"]) == ("run", said, run["id"])
    (episode,) = bridge.get("/api/v1/episodes")["episodes"]
    assert (episode["state"], episode["close_reason"], episode["by_hand"]) == (
        "closed",
        "its run ended: unverified",
        "ann (basic)",
    )
    assert bridge.metric('remediation_runs_total{outcome="unverified",remediation="plain"}') == 1


def test_no_alert_is_there_so_nobody_is_asked_whether_it_fires(bridge: Served) -> None:
    """The Alertmanager of the configuration answers nobody: an alert's fix would be held."""
    assert fix(bridge, "plain").json["decision"] == "run"


def test_without_an_alert_nothing_shows_that_it_cleared_and_nobody_is_woken(bridge: Served) -> None:
    run = ended(bridge, fix(bridge, "proven"))
    assert run["outcome"] == "unverified"
    assert "there is no alert whose clearing would prove it" in run["reason"]
    assert run["escalations"] == []


def test_what_needs_no_alert_proves_it(bridge: Served) -> None:
    with listening() as server:
        proof = f"verify: {{probe: '{server.url}'}}, {STEPS}"
        bridge.configure(bridge.file.read_text() + f"  - {{name: probed, match: 'alertname=\"Probed\"', {proof}}}\n")
        assert bridge.ask("POST", "/-/reload", "operator").status_code == 200
        assert ended(bridge, fix(bridge, "probed"))["outcome"] == "fixed"


def test_one_that_fails_is_told_to_people(bridge: Served) -> None:
    run = ended(bridge, fix(bridge, "fails"))
    assert run["outcome"] == "failed"
    assert [told["notifier"] for told in run["escalations"]] == ["ops"]


def test_who_asks_has_approved_it(bridge: Served) -> None:
    assert ended(bridge, fix(bridge, "asks"))["outcome"] == "unverified"


def test_in_dry_run_it_only_says_what_it_would_do(bridge: Served) -> None:
    run = ended(bridge, fix(bridge, "shows"))
    assert (run["outcome"], [step["outcome"] for step in run["steps"]]) == ("dry_run", ["planned"])


def refused(bridge: Served, name: str, decision: str, said: str, target: str = "web-1") -> None:
    before = len(bridge.get("/api/v1/runs")["runs"])
    answer = fix(bridge, name, target)
    assert (answer.status_code, answer.json["decision"], answer.json["run_id"]) == (409, decision, None)
    assert said in answer.json["reason"]
    assert answer.json["error"] == f"{decision}: {answer.json['reason']}"
    latest = bridge.get("/api/v1/decisions?limit=1")["decisions"][0]
    assert (latest["decision"], latest["due_at"]) == (decision, None), "on record, and final"
    assert bridge.get("/api/v1/episodes?limit=1")["episodes"][0]["state"] == "closed"
    assert len(bridge.get("/api/v1/runs")["runs"]) == before


def test_off_is_off(bridge: Served) -> None:
    refused(bridge, "never", "disabled", "the mode of never is off")
    refused(bridge, "not-auto", "disabled", "not-auto says auto_fix: false")


def test_a_pause_refuses_it(bridge: Served) -> None:
    bridge.ask("PUT", "/api/v1/pause", "operator", json={"reason": "deploy"})
    refused(bridge, "plain", "paused", "everything is paused: deploy")
    bridge.ask("DELETE", "/api/v1/pause", "operator")
    assert fix(bridge, "plain").status_code == 200
    assert len(bridge.get("/api/v1/runs")["runs"]) == 1, "what was refused does not come back"


def test_a_target_that_was_just_worked_on_rests(bridge: Served) -> None:
    ended(bridge, fix(bridge, "rests"))
    refused(bridge, "rests", "cooldown", "its cooldown is 1h")
    assert fix(bridge, "rests", "web-2").status_code == 200


def test_more_hosts_than_the_breaker_allows(bridge: Served) -> None:
    for host in ("web-1", "web-2"):
        ended(bridge, fix(bridge, "plain", host))
    refused(bridge, "plain", "breaker_open", "plain has touched 2 hosts", "web-3")
    assert bridge.metric('remediation_breaker_open{remediation="plain"}') == 0, "a person was told, that is enough"
    assert fix(bridge, "plain", "web-2").status_code == 200


def test_of_many_at_once_one_gets_the_host(bridge: Served) -> None:
    assert bridge.ask("GET", "/api/v1/runs", "operator").status_code == 200  # from now on its password is known
    answers: list[TestResponse] = []
    asking = [threading.Thread(target=lambda: answers.append(fix(bridge, "slow"))) for _ in range(5)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    assert sorted(answer.json["decision"] for answer in answers) == ["run", *["target_busy"] * 4]


def test_an_alert_of_the_same_host_waits_for_it(bridge: Served) -> None:
    bridge.configure(bridge.file.read_text().replace('alertmanagers: [{url: "http://127.0.0.1:1"}]', ""))
    assert bridge.ask("POST", "/-/reload", "operator").status_code == 200
    fix(bridge, "slow")
    bridge.notify(alert({"alertname": "Down", "instance": "web-1:9100"}))
    bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="target_busy", remediation="plain")
    bridge.wait_for("/api/v1/runs", "runs", 1, remediation="plain", outcome="unverified")


WRONG = [
    ("palin", {"target": "web-1"}, 404, "there is no remediation 'palin' (did you mean 'plain'?)"),
    ("plain", {}, 400, "target: Field required"),
    ("plain", {"target": ""}, 400, "target: "),
    ("plain", {"target": " "}, 400, "the target is empty"),
    ("plain", {"target": "a\nb"}, 400, "the target"),
    ("plain", {"target": "web-1", "labels": {"alertname": "Up"}}, 400, 'it wants alertname="Down"'),
    ("plain", {"target": "web-1", "labels": ["a"]}, 400, "labels: "),
    ("plain", {"target": "web-1", "labels": {"x": "y" * 70_000}}, 400, "the labels are longer than"),
    ("plain", {"target": "web-1", "host": "web-2"}, 400, "host: "),
]


@pytest.mark.parametrize(("name", "body", "status", "said"), WRONG)
def test_a_wrong_wish_is_refused_in_words_and_leaves_nothing(
    bridge: Served, name: str, body: dict[str, Any], status: int, said: str
) -> None:
    answer = bridge.ask("POST", f"/api/v1/remediations/{name}/run", "operator", json=body)
    assert (answer.status_code, said in answer.json["error"]) == (status, True), answer.json
    assert bridge.get("/api/v1/episodes")["episodes"] == []


def test_who_is_no_operator_runs_nothing(bridge: Served) -> None:
    assert fix(bridge, "plain", who="nobody").status_code == 401
    assert fix(bridge, "plain", who="sender").status_code == 403


ONE = """
remediations:
  - name: one
    match: {match}
    {more}
    steps: [{{wait: {{duration: "{{{{ labels.rest | default('1s') }}}}"}}}}]
"""
CHECK = """['alertname="A"', 'check="http"']"""
PLACES = [
    # match, further keys, target, labels → host, target
    (CHECK, "", "web-1", {}, ("web-1", "web-1/http")),
    (CHECK, "", "web-1/http", {}, ("web-1", "web-1/http")),
    (CHECK, "", "web-1/disk", {}, "with these labels the target of one is 'web-1/http', not 'web-1/disk'"),
    ("""['alertname="A"']""", "", "web-1/disk", {}, ("web-1", "web-1/disk")),
    ("""['alertname="A"']""", "", "web-1", {"instance": "web-1:9100"}, ("web-1", "web-1")),
    ("""['alertname="A"']""", "", "web-1", {"instance": "web-2:9100"}, "is 'web-2', not 'web-1'"),
    ("""['alertname=~"A|B"']""", "", "web-1", {"alertname": "C"}, "it wants alertname=~"),
    ("""['alertname!="A"']""", "", "web-1", {"alertname": "A"}, "it wants alertname!="),
    (CHECK, "target: database", "web-1", {}, "the target of one is 'database', not 'web-1'"),
    (CHECK, "target: database", "database", {}, ("database", "database")),
    (CHECK, 'target: "{{ labels.unit }}"', "x", {}, ("x", "x")),
    (CHECK, "host: fixed", "fixed", {}, ("fixed", "fixed/http")),
    (CHECK, "", "web-1", {"rest": "soon"}, "steps[0]: wait cannot be filled: duration: 'soon' is not a duration"),
]


@pytest.mark.parametrize(("match", "more", "target", "labels", "place"), PLACES)
def test_where_it_runs(match: str, more: str, target: str, labels: dict, place: tuple[str, str] | str) -> None:
    (remediation,) = policy(ONE.format(match=match, more=more)).remediations
    if isinstance(place, str):
        with pytest.raises(WishError) as wrong:
            wish(remediation, target, labels, "ann")
        assert place in str(wrong.value)
    else:
        wanted = wish(remediation, target, labels, "ann")
        assert (wanted.host, wanted.target) == place
