"""`remedy run --continuous` over error_patterns.json: one process, heard and paused over its local socket alone."""

import json
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from tests.bridge.durability.process import eventually
from tests.remedy.error_patterns.files import PATTERN, written

REMEDY = Path(sys.executable).with_name("remedy")
MAKE = {"type": "create_missing_dirs", "directories": ["made"]}


def test_it_is_paused_and_resumed_and_ends_at_sigterm(tmp_path):
    pattern = PATTERN | {"id": "broken", "pattern": "BROKEN", "auto_fix": True, "actions": [MAKE]}
    config = {"quiet_for": 1, "cooldown_period": 0}
    file = written(tmp_path, {"error_patterns": [pattern], "auto_fix_config": config, "log_paths": ["logs/app.log"]})
    home = file.parent.parent
    log, told = home / "logs" / "app.log", home / "logs" / "auto_fix.log"
    log.touch()

    def remedy(*arguments):
        argv = [REMEDY, *arguments, "--config", file]
        return subprocess.run(argv, check=True, capture_output=True, text=True, timeout=60).stdout

    def said(words):
        return told.exists() and words in told.read_text(encoding="utf-8")

    argv = [REMEDY, "run", "--continuous", "--json", "--insecure-config", "--wait-minutes", "0", "--config", file]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            socket = home / ".remedy" / "bridge.sock"
            eventually(lambda: said("=== 検知サイクル 1 完了 ==="))
            assert stat.S_IMODE(socket.stat().st_mode) == 0o660
            assert not psutil.Process(process.pid).net_connections(kind="tcp"), "the daemon listened nowhere"
            remedy("pause", "maintenance")
            with log.open("a") as lines:
                lines.write("BROKEN\n")
            eventually(lambda: said("一時停止中: broken (paused: everything is paused: maintenance"))
            assert not (home / "made").exists()
            remedy("resume")
            eventually((home / "made").is_dir)
            eventually(lambda: said("自動修復完了: broken"))
            assert "broken" in remedy("history")
        finally:
            os.kill(process.pid, signal.SIGTERM)
            counts = [json.loads(line) for line in process.stdout]
    assert process.returncode == 0
    assert sum(each["errors_detected"] for each in counts) == sum(each["fixes_succeeded"] for each in counts) == 1
    assert not socket.exists()


def states(ledger: Path) -> list[str]:
    """Return how far each run is, by the record."""
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as connection:
        return [state for (state,) in connection.execute("SELECT state FROM runs")]


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_call_could_not_prove_is_proven_by_the_next(tmp_path, sent):
    pattern = PATTERN | {"id": "broken", "pattern": "BROKEN", "auto_fix": True, "actions": [MAKE]}
    config = {"quiet_for": 3, "cooldown_period": 0}
    file = written(tmp_path, {"error_patterns": [pattern], "auto_fix_config": config, "log_paths": ["logs/app.log"]})
    home = file.parent.parent
    (home / "logs" / "app.log").write_text("BROKEN\n")
    argv = [REMEDY, "run", "--once", "--json", "--config", file]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as first:
        eventually((home / "made").is_dir)
        eventually(lambda: states(home / ".remedy" / "ledger.db") == ["verifying"])
        first.send_signal(sent)
        said = first.communicate()[1]
    assert first.returncode == (1 if sent == signal.SIGTERM else -sent), said
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    counts = json.loads(done.stdout)
    assert (done.returncode, counts["errors_detected"], counts["fixes_attempted"]) == (0, 0, 0), done.stderr
    assert counts["fixes_succeeded"] == 1, "the folder is made once, and nothing is found again"
    assert "自動修復完了: broken" in done.stderr


def test_sigterm_ends_the_pause_between_iterations(tmp_path):
    file = written(tmp_path, {"error_patterns": [], "log_paths": ["logs/app.log"]})
    log = file.parent.parent / "logs" / "auto_fix.log"
    argv = [REMEDY, "run", "--iterations", "2", "--loop-count", "1", "--wait-minutes", "60", "--config", file]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        eventually(lambda: log.exists() and "60分間待機します" in log.read_text(encoding="utf-8"))
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0, "nothing is wrong"


def test_paths_are_where_the_command_line_says(tmp_path):
    content = {"error_patterns": [PATTERN | {"pattern": "BROKEN", "auto_fix": True, "actions": [MAKE]}]}
    file = written(tmp_path, content | {"auto_fix_config": {"quiet_for": 1}, "log_paths": ["logs/app.log"]})
    base = tmp_path / "elsewhere"
    (base / "logs").mkdir(parents=True)
    (base / "logs" / "app.log").write_text("BROKEN\n")
    words = ["--config", os.path.relpath(file, tmp_path), "--base-dir", "elsewhere", "--log-file", "own.log"]
    done = subprocess.run(
        [REMEDY, "run", *words], check=False, capture_output=True, text=True, timeout=60, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert (base / "made").is_dir()
    assert (base / ".remedy" / "ledger.db").is_file()
    assert "自動修復完了" in (tmp_path / "own.log").read_text(encoding="utf-8")
    assert not (file.parent.parent / "logs" / "auto_fix.log").exists()
