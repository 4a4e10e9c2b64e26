"""`remedy history RUN --postmortem`: the record as a draft for people, and as an issue."""

import re
import sys
from pathlib import Path

import pytest

from remedy.control.postmortem import draft, title
from tests.bridge.notifiers.conftest import Server, server  # noqa: F401 - a fixture
from tests.remedy.commands.test_operators import free_port, remedy, served

RUN = {
    "id": 7, "remediation": "restart-api", "target": "web-1/受注", "state": "ended", "outcome": "fixed",
    "reason": "the alert cleared", "attempts": 1, "by_hand": None, "created_at": "2026-11-21T02:00:05Z",
    "started_at": "2026-11-21T02:00:06Z", "ended_at": "2026-11-21T02:03:00Z",
    "episode": {
        "fingerprint": "ab", "starts_at": "2026-11-21T02:00:00Z",
        "labels": {"alertname": "HealthCheckFailing", "check": "受注", "evil": "`x`\n## Cause\n<script>"},
    },
    "decisions": [{"at": "2026-11-21T02:00:05Z", "decision": "run", "reason": "all gates passed", "looks": 1}],
    "tries": [
        {
            "number": 1, "started_at": "2026-11-21T02:00:06Z", "ended_at": "2026-11-21T02:02:59Z",
            "verification": "cleared | for 60 s",
        }
    ],
    "steps": [
        {
            "attempt": 1, "position": 0, "action": "collect_status", "outcome": "succeeded", "reason": "collected",
            "output": "\n".join(f"line {n} ## no heading" for n in range(60)), "started_at": "2026-11-21T02:00:06Z",
        },
        {
            "attempt": 1, "position": 1, "action": "service_restart", "outcome": "succeeded", "reason": "api.service",
            "output": None, "started_at": "2026-11-21T02:00:10Z",
        },
    ],
    "escalations": [
        {"at": "2026-11-21T02:01:00Z", "level": "after_attempts:1", "notifier": "ops", "state": "over", "error": None}
    ],
}  # fmt: skip


def test_what_is_known_stands_there_and_what_only_people_know_is_asked() -> None:
    text = draft(RUN)
    headings = re.findall(r"^## (.*)$", text, re.MULTILINE)
    assert headings == [
        "Summary", "Detection", "Impact", "Cause", "Steps taken", "Timeline", "Prevention", "Improvement",
    ]  # fmt: skip
    assert title(RUN) == "Post-mortem: HealthCheckFailing on web-1/受注, run 7"
    for part in (
        "- Outcome: **fixed**: the alert cleared",
        "firing since 2026-11-21T02:00:00Z",
        "2026-11-21T02:00:00Z to 2026-11-21T02:03:00Z, 3.0 minutes",
        "    line 0 ## no heading",
        "… 20 more lines: `remedy history 7`",
        "2. attempt 1: `service_restart` succeeded: api.service",
        "- Cause: _to be written_",
        "- [ ] Detection: was the alert early enough",
    ):
        assert part in text
    assert "<script>" not in text


def test_the_timeline_is_in_the_order_of_time_and_a_table() -> None:
    table = draft(RUN).partition("## Timeline\n")[2].partition("\n\n")[0].splitlines()
    assert all(row.count("|") == 3 for row in table)
    moments = [row.split("|")[1].strip() for row in table[2:]]
    assert moments == sorted(moments)
    assert [row.split("|")[2].strip() for row in table[2:]] == [
        "the alert began to fire", "run: all gates passed", "attempt 1 began", "collect_status: succeeded",
        "service_restart: succeeded", "ops told (after_attempts:1): over", "attempt 1: cleared / for 60 s",
        "the run ended: fixed",
    ]  # fmt: skip


def test_one_that_is_not_over_says_so() -> None:
    text = draft(RUN | {"ended_at": None, "outcome": None, "state": "waiting"})
    assert "since 2026-11-21T02:00:00Z, not over yet" in text
    assert "- Outcome: **waiting**" in text


def test_it_is_drafted_from_a_real_run_and_made_an_issue(tmp_path: Path, server: Server) -> None:  # noqa: F811
    port = free_port()
    (tmp_path / "token").write_text("t0ken\n")
    server.answers |= {"GET /repos/org/app/issues": (200, []), "POST /repos/org/app/issues": (201, {"number": 1})}
    (tmp_path / "remediation.yml").write_text(f"""
database: sqlite:///{tmp_path}/data/ledger.db
web: {{listen: 127.0.0.1:{port}}}
notifiers:
  issues: {{kind: github_issue, repository: org/app, token_file: {tmp_path}/token, api_url: "{server.url}"}}
remediations: [{{name: do-it, match: alertname="Do", steps: [{{wait: {{duration: 10ms}}}}], verify: none}}]
""")
    with served([sys.executable, "-m", "remedy", "bridge"], tmp_path, port) as bridge:
        bridge.fires("Do")
        run = bridge.ended(bridge.decided(alertname="Do", decision="run")["run_id"])
        text = remedy("history", str(run["id"]), "--postmortem", folder=tmp_path)
        assert text.startswith("# Post-mortem: Do on web-1, run ")
        assert "`wait` succeeded: waited 10ms" in text
        assert server.requests == []
        remedy("history", str(run["id"]), "--postmortem", "--create-issue", folder=tmp_path)
    posted = [request.body for request in server.requests if request.method == "POST"]
    assert [body["title"] for body in posted] == [f"🚨 [AUTO] Post-mortem: Do on web-1, run {run['id']}"]
    assert "## Timeline" in posted[0]["body"]


@pytest.mark.parametrize("words", [["--postmortem"], ["7", "--create-issue"]])
def test_it_is_of_one_run(words: list[str], tmp_path: Path) -> None:
    assert "a post-mortem is of one run" in remedy("history", *words, folder=tmp_path, check=2)
