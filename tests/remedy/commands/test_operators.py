"""What operators say to a running bridge, as they say it: each command against a real `remedy bridge`."""

import io
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from contextlib import chdir, closing, contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path
from unittest.mock import patch

import pytest
import requests

from remedy.cli import main

CONFIG = """
database: sqlite:///{folder}/data/ledger.db
web: {{listen: 127.0.0.1:{port}}}
remediations:
  - name: ask-first
    match: alertname="Ask"
    mode: approve
    steps: [wait: {{duration: 10ms}}]
    verify: none
  - name: do-it
    match: alertname="Do"
    steps: [wait: {{duration: 10ms}}]
    verify: none
"""


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return listener.getsockname()[1]


def remedy(*arguments: str, folder: Path, check: int = 0) -> str:
    """Run a command in the bridge's folder and return what it says; nothing that a person does wrong is a trace."""
    said, complained = io.StringIO(), io.StringIO()
    with (
        chdir(folder),
        redirect_stdout(said),
        redirect_stderr(complained),
        patch.object(sys, "argv", ["remedy", *arguments]),
        pytest.raises(SystemExit) as ended,
    ):
        main()
    assert (ended.value.code or 0) == check, complained.getvalue()
    return said.getvalue() if check == 0 else complained.getvalue()


class Running:
    """A bridge of the test's own."""

    def __init__(self, folder: Path, port: int) -> None:
        self.folder, self.url = folder, f"http://127.0.0.1:{port}"

    def fires(self, alertname: str) -> None:
        alert = {"status": "firing", "labels": {"alertname": alertname, "instance": "web-1:9100"}}
        body = {"version": "4", "alerts": [alert | {"startsAt": "2026-11-21T10:00:00Z"}]}
        assert requests.post(f"{self.url}/webhook", json=body, timeout=10).json()["accepted"] == 1

    def decided(self, *, alertname: str, decision: str) -> dict:
        return self.await_row(
            "decisions", lambda d: (d["episode"]["labels"]["alertname"], d["decision"]), alertname, decision
        )

    def ended(self, run_id: int) -> dict:
        return self.await_row("runs", lambda r: (r["id"], r["state"]), run_id, "ended")

    def await_row(self, page, key, *wanted):
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            rows = requests.get(f"{self.url}/api/v1/{page}", timeout=10).json()[page]
            for row in rows:
                if key(row) == wanted:
                    return row
            time.sleep(0.05)
        raise AssertionError(f"{wanted} never came; {rows}")


@contextmanager
def served(argv: list[str], folder: Path, port: int, **environment: str):
    process = subprocess.Popen(argv, cwd=folder, env=os.environ | environment, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if requests.get(f"http://127.0.0.1:{port}/-/ready", timeout=2).ok:
                    break
            except requests.RequestException:
                time.sleep(0.05)
        assert process.poll() is None, process.stderr.read()
        yield Running(folder, port)
    finally:
        process.send_signal(signal.SIGTERM)
        _, said = process.communicate(timeout=40)
        assert "Traceback" not in said


@pytest.fixture(scope="module")
def bridge(tmp_path_factory):
    folder, port = tmp_path_factory.mktemp("bridge"), free_port()
    (folder / "remediation.yml").write_text(CONFIG.format(folder=folder, port=port))
    with served([sys.executable, "-m", "remedy", "bridge"], folder, port) as running:
        yield running


def test_pause_holds_and_resume_lets_go(bridge):
    assert (
        remedy("pause", "moving house", "--for", "1h", folder=bridge.folder)
        == "paused everything for 1h: moving house\n"
    )
    bridge.fires("Do")
    held = bridge.decided(alertname="Do", decision="paused")
    assert "moving house" in held["reason"]
    assert "is paused: moving house" in remedy("explain", folder=bridge.folder)
    assert remedy("resume", folder=bridge.folder) == "resumed everything\n"
    run = bridge.ended(bridge.decided(alertname="Do", decision="run")["run_id"])
    assert run["outcome"] == "unverified"
    told = remedy("history", str(run["id"]), folder=bridge.folder)
    assert "do-it on web-1: unverified" in told
    assert "wait succeeded: waited 10ms" in told
    shown = json.loads(remedy("history", "--json", folder=bridge.folder))
    assert [each["id"] for each in shown["runs"]] == [run["id"]]


def test_approve_deny_cancel(bridge):
    bridge.fires("Ask")
    run_id = bridge.decided(alertname="Ask", decision="awaiting_approval")["run_id"]
    assert re.search(r"awaiting_approval", remedy("history", folder=bridge.folder))
    remedy("approve", str(run_id), folder=bridge.folder)
    assert bridge.ended(run_id)["outcome"] == "unverified"
    assert "waits for no approval" in remedy("approve", str(run_id), folder=bridge.folder, check=1)
    assert f"run {run_id}" in remedy("deny", str(run_id), folder=bridge.folder, check=1)
    assert "there is no run 4711" in remedy("cancel", "4711", folder=bridge.folder, check=1)


def test_breaker(bridge):
    assert remedy("breaker", "reset", folder=bridge.folder) == "no breaker was open\n"


def test_explain_a_payload_with_and_without_the_bridge(bridge, tmp_path):
    alert = {
        "status": "firing",
        "labels": {"alertname": "Do", "instance": "web-9:9100"},
        "startsAt": "2026-11-21T10:00:00Z",
    }
    payload = tmp_path / "notification.json"
    payload.write_text(json.dumps({"version": "4", "alerts": [alert]}))
    for way in ([], ["--offline"]):
        (found,) = json.loads(remedy("explain", str(payload), "--json", *way, folder=bridge.folder))
        assert (found["remediation"], found["decision"], found["target"]) == ("do-it", "run", "web-9")
        assert [gate["gate"] for gate in found["gates"]][:3] == ["disabled", "no_target", "paused"]
        assert found["plan"] == [{"action": "wait", "plan": "wait 10ms"}]


def test_explain_leaves_out_no_alert(bridge, tmp_path):
    over = {"status": "resolved", "labels": {"alertname": "Do"}, "startsAt": "2026-11-21T10:00:00Z"}
    payload = tmp_path / "notification.json"
    payload.write_text(json.dumps({"version": "4", "alerts": [{"status": "burning"}, over]}))
    for way in ([], ["--offline"]):
        said = remedy("explain", str(payload), *way, folder=bridge.folder)
        assert "alertname=Do\n  no remediation: resolved: Alertmanager says that the alert is resolved" in said
        assert "no remediation: malformed: " in said
        assert '{"status": "burning"}' in said
    payload.write_text("\n")
    assert f"{payload} is empty" in remedy("explain", str(payload), folder=bridge.folder, check=2)


def test_nobody_answers(tmp_path):
    (tmp_path / "remediation.yml").write_text(CONFIG.format(folder=tmp_path, port=1))
    assert remedy("history", folder=tmp_path, check=1).startswith("remedy: no bridge answers at ")


def test_gunicorn_takes_the_shipped_file(tmp_path):
    """`gunicorn bridge.wsgi:app` with gunicorn.conf.py, for those who run it that way."""
    port = free_port()
    (tmp_path / "remediation.yml").write_text(CONFIG.format(folder=tmp_path, port=port))
    shipped = Path(__file__).parents[3] / "gunicorn.conf.py"
    argv = [
        str(Path(sys.executable).with_name("gunicorn")),
        "-c",
        str(shipped),
        "-b",
        f"127.0.0.1:{port}",
        "bridge.wsgi:app",
    ]
    with served(argv, tmp_path, port, REMEDY_CONFIG="remediation.yml") as running:
        running.fires("Do")
        run_id = running.decided(alertname="Do", decision="run")["run_id"]
        assert running.ended(run_id)["outcome"] == "unverified"


def test_fix_by_hand_and_its_story(bridge):
    told = remedy("fix", "do-it", "--target", "web-7", "--reason", "nervous", "--wait", folder=bridge.folder)
    first, *story = told.splitlines()
    assert first.startswith("run: do-it may run on web-7: by hand, asked for by ")
    assert first.partition(" (run ")[0].endswith("(local socket): nervous")
    assert "do-it on web-7: unverified" in story[0]
    assert any("wait succeeded: waited 10ms" in line for line in story)
    said = json.loads(remedy("fix", "ask-first", "--target", "web-7", "--json", folder=bridge.folder))
    assert (said["decision"], said["target"]) == ("run", "web-7")
    assert bridge.ended(said["run_id"])["by_hand"]


def test_fix_is_refused_with_the_reason(bridge):
    remedy("pause", "deploy", "--remediation", "do-it", folder=bridge.folder)
    said = remedy("fix", "do-it", "--target", "web-8", folder=bridge.folder, check=1)
    assert said.startswith("remedy: paused: do-it is paused: deploy, says ")
    remedy("resume", "--remediation", "do-it", folder=bridge.folder)
    assert "did you mean 'do-it'" in remedy("fix", "doit", "--target", "web-8", folder=bridge.folder, check=1)
    for wrong in (["--label", "x"], ["--label", "alertname=Other"], ["--target", ""]):
        remedy("fix", "do-it", "--target", "web-8", *wrong, folder=bridge.folder, check=2)


def test_what_is_paused_and_which_breakers_are_open(bridge):
    assert remedy("pause", folder=bridge.folder) == "nothing is paused\n"
    remedy("pause", "データベース移行", "--for", "1h", folder=bridge.folder)
    assert re.fullmatch(
        r"everything is paused until \S+Z: データベース移行, says .+\n", remedy("pause", folder=bridge.folder)
    )
    (pause,) = json.loads(remedy("pause", "--json", folder=bridge.folder))["pauses"]
    assert pause["remediation"] is None
    remedy("resume", folder=bridge.folder)
    assert "nothing is paused" in remedy("resume", folder=bridge.folder, check=1)
    assert "needs a reason" in remedy("pause", "--for", "1h", folder=bridge.folder, check=2)
    assert "duration: 'soon' is not a duration" in remedy("pause", "x", "--for", "soon", folder=bridge.folder, check=2)
    assert remedy("breaker", folder=bridge.folder) == "no breaker is open\n"
    assert json.loads(remedy("breaker", "--json", folder=bridge.folder)) == {"breakers": []}


def test_explain_says_what_is_on_record(bridge):
    bridge.fires("Recorded")
    bridge.decided(alertname="Recorded", decision="no_match")
    told = remedy("explain", folder=bridge.folder)
    assert "on record since" in told
    assert "no_match: no remediation matches" in told
    found = [e for e in json.loads(remedy("explain", "--json", folder=bridge.folder)) if e["recorded"]]
    assert found


def test_what_an_alert_says_does_not_reach_the_terminal(bridge):
    labels = {"alertname": "Do", "instance": "web-66:9100", "word": "\x1b[31mred\x07[bold]"}
    body = {"version": "4", "alerts": [{"status": "firing", "labels": labels, "startsAt": "2026-11-21T10:00:00Z"}]}
    requests.post(f"{bridge.url}/webhook", json=body, timeout=10)
    run = bridge.await_row("runs", lambda r: (r["target"], r["state"]), "web-66", "ended")
    for arguments in (["history", str(run["id"])], ["explain"]):
        told = remedy(*arguments, folder=bridge.folder)
        assert "\\x1b[31mred\\x07[bold]" in told
        assert "\x1b" not in told


def test_history_of_decisions_and_of_some(bridge):
    bridge.fires("Nobody wants this")
    bridge.decided(alertname="Nobody wants this", decision="no_match")
    rows = remedy("history", "--decisions", folder=bridge.folder).splitlines()
    assert any("Nobody wants this" in row and "no_match" in row for row in rows)
    assert remedy("history", "--outcome", "fixed", folder=bridge.folder) == "nothing is on record\n"
    assert remedy("history", "--remediation", "nobody's", folder=bridge.folder) == "nothing is on record\n"
    assert "did you mean 'fixed'" in remedy("history", "--outcome", "fxied", folder=bridge.folder, check=2)
    assert "shown whole" in remedy("history", "1", "--decisions", folder=bridge.folder, check=2)
