"""What can be asked between two calls of `remedy run --once`, and of the old daemon's file itself."""

import io
import json
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from unittest import mock

import pytest

from bridge.lock import LedgerLock
from remedy.cli import main
from tests.deploy.test_systemd import REMEDY
from tests.remedy.error_patterns.files import PATTERN, written

MAKE = {"type": "create_missing_dirs", "directories": ["made"]}


def remedy(*words: object, code: int = 0) -> str:
    """Call a command in this process, and return what is said: the answer, or why there is none."""
    said, wrong = io.StringIO(), io.StringIO()
    argv = mock.patch.object(sys, "argv", ["remedy", *map(str, words)])
    with argv, redirect_stdout(said), redirect_stderr(wrong), pytest.raises(SystemExit) as ended:
        main()
    assert (ended.value.code or 0) == code, said.getvalue() + wrong.getvalue()
    return said.getvalue() if code == 0 else wrong.getvalue()


def called(*words: object, code: int) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([REMEDY, *map(str, words)], check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    return done


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An old file over which one call has fixed something, and left something."""
    folder = tmp_path_factory.mktemp("once")
    broken = PATTERN | {"id": "broken", "pattern": "BROKEN", "auto_fix": True, "actions": [MAKE]}
    tls = PATTERN | {"id": "tls", "pattern": "TLS", "auto_fix": False, "actions": [{"type": "alert"}]}
    checks = [{"name": "logs", "type": "directory", "path": "logs", "critical": True}]
    content = {"error_patterns": [broken, tls], "health_checks": checks, "log_paths": ["logs/app.log"]}
    file = written(folder, content | {"auto_fix_config": {"quiet_for": 1, "notification_channels": ["log"]}})
    (file.parent.parent / "logs" / "app.log").write_text("BROKEN\nTLS\n")
    called("run", "--once", "--config", file, code=1)
    return file


def test_its_history_is_read_from_the_ledger(file: Path) -> None:
    (run,) = json.loads(remedy("history", "--json", "--config", file))["runs"]
    assert (run["remediation"], run["outcome"]) == ("broken", "fixed")
    assert "create_missing_dirs succeeded" in remedy("history", run["id"], "--config", file)
    assert "## Timeline" in remedy("history", run["id"], "--postmortem", "--config", file)
    decisions = json.loads(remedy("history", "--decisions", "--json", "--config", file))["decisions"]
    assert {each["remediation"]: each["decision"] for each in decisions} == {"broken": "run", "tls": "disabled"}
    assert remedy("history", "999", "--config", file, code=1) == "remedy: there is no run 999\n"
    assert "unknown value" in remedy("history", "--outcome", "nice", "--config", file, code=2)
    assert "no notifier of kind github_issue" in remedy(
        "history", run["id"], "--postmortem", "--create-issue", "--config", file, code=2
    )


def test_it_is_not_read_while_a_bridge_has_it(file: Path) -> None:
    lock = LedgerLock(file.parent.parent / ".remedy" / "ledger.db")
    assert lock.take()
    try:
        assert "no bridge answers at" in remedy("history", "--config", file, code=1)
    finally:
        lock.release()


def test_no_ledger_is_made_by_asking(tmp_path: Path) -> None:
    file = written(tmp_path, {"error_patterns": []})
    assert "no bridge answers at" in remedy("history", "--config", file, code=1)
    assert not (file.parent.parent / ".remedy").exists()


def test_health_and_scan_take_the_old_file(file: Path) -> None:
    found = json.loads(remedy("health", "--config", file))
    assert found["overall_status"] == "healthy"
    assert found["checks"]["logs"]["critical"] is True
    log = file.parent.parent / "logs" / "app.log"
    assert json.loads(remedy("scan", log, "--json", "--config", file)) == {str(log): {"broken": 1, "tls": 1}}


def test_a_pause_between_two_calls_holds_the_next_one(tmp_path: Path) -> None:
    broken = PATTERN | {"id": "broken", "pattern": "BROKEN", "auto_fix": True, "actions": [MAKE]}
    content = {"error_patterns": [broken], "log_paths": ["logs/app.log"], "auto_fix_config": {"quiet_for": 1}}
    file = written(tmp_path, content)
    log = file.parent.parent / "logs" / "app.log"
    log.write_text("fine\n")
    called("run", "--once", "--config", file, code=0)
    assert "paused everything for 2h: a move" in remedy("pause", "a move", "--for", "2h", "--config", file)
    assert "a move, says " in remedy("pause", "--config", file)
    with log.open("a") as stream:
        stream.write("BROKEN\n")
    counts = json.loads(called("run", "--once", "--json", "--config", file, code=1).stdout)
    assert (counts["errors_detected"], counts["fixes_attempted"]) == (1, 0)
    assert remedy("resume", "--config", file) == "resumed everything\n"
    assert remedy("pause", "--config", file) == "nothing is paused\n"
    assert "nothing is paused" in remedy("resume", "--config", file, code=1)
    assert "no remediation 'brokn'" in remedy("pause", "why", "--remediation", "brokn", "--config", file, code=1), (
        "a name that nothing has"
    )
    assert "is not a duration" in remedy("pause", "why", "--for", "soon", "--config", file, code=2)
    assert remedy("breaker", "--config", file) == "no breaker is open\n"
    assert remedy("breaker", "reset", "--config", file) == "no breaker was open\n"
    with log.open("a") as stream:
        stream.write("BROKEN\n")
    counts = json.loads(called("run", "--once", "--json", "--config", file, code=0).stdout)
    assert counts["fixes_succeeded"] == 1
