"""`remedy run --continuous` over error_patterns.json: one process, heard and paused over its local socket alone."""

import json
import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import psutil

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
