"""`remedy import`: what it writes decides, does and counts as the old file does, over the same broken application."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.remedy.error_patterns.files import ACTIONS, CHECKS, PATTERN, written

REMEDY = Path(sys.executable).with_name("remedy")
NEEDS_A_SERVER = ("pg", "cache", "web", "port", "load", "ram", "worker")
"""Checks whose outcome depends on the machine."""
ALLOW = "allow: {units: [shop.service], owners: [root]}\nlimits: {runs_per_hour: 500}\n"


def remedy(*words: object, code: int = 0) -> str:
    done = subprocess.run([REMEDY, *map(str, words)], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == code, done.stderr
    return done.stdout


def application(folder: Path) -> Path:
    """An application with every action in its file, each wanted by a line of its log, broken in some ways."""
    patterns = [
        PATTERN | {"id": f"p{n}", "pattern": f"broken {n}\\b", "auto_fix": n % 5 != 4, "actions": [action, "alert"]}
        for n, action in enumerate(ACTIONS)
    ]
    content = {
        "error_patterns": patterns,
        "health_checks": [check for check in CHECKS if check["name"] not in NEEDS_A_SERVER],
        "auto_fix_config": {"quiet_for": 1, "max_retries": 0, "cooldown_period": 300, "backup_before_fix": True},
        "log_paths": ["logs/app.log"],
    }
    file = written(folder, content, ALLOW)
    home = file.parent.parent
    for name in ("data", "cache", "tmp", "backups"):
        (home / name).mkdir()
    (home / "data" / "settings.json").write_text('{"a": 1,')
    (home / "cache" / "x").touch()
    (home / "logs" / "app.log").write_text("".join(f"broken {n}\n" for n in range(len(ACTIONS))))
    return file


def outcome(file: Path) -> tuple[object, ...]:
    """What was decided, run and done, without the places and times that differ."""
    decisions = json.loads(remedy("history", "--decisions", "--json", "--limit", "500", "--config", file))["decisions"]
    runs = json.loads(remedy("history", "--json", "--limit", "500", "--config", file))["runs"]
    steps = {
        run["remediation"]: (run["outcome"], [(each["action"], each["outcome"]) for each in run["steps"]])
        for run in runs
    }
    return {each["remediation"]: each["decision"] for each in decisions}, steps


@pytest.mark.slow
def test_what_is_written_does_what_the_old_file_does(tmp_path: Path) -> None:
    old = application(tmp_path / "old")
    new = application(tmp_path / "new")
    before = json.loads(remedy("run", "--once", "--json", "--config", old, code=1))
    remedy("import", new, "--output", tmp_path / "out")
    shutil.move(new, tmp_path / "error_patterns.json.was")
    files = [tmp_path / "out" / "exporter.yml", tmp_path / "out" / "remediation.yml"]
    remedy("check-config", *files)
    after = json.loads(
        remedy("run", "--once", "--json", *(word for file in files for word in ("--config", file)), code=1)
    )
    assert after == before
    assert before["fixes_attempted"] > 10
    decided, done = outcome(old)
    assert outcome(files[1]) == (decided, done)
    assert set(decided.values()) == {"run", "disabled"}
    assert "fixed" in {result for result, _ in done.values()}
    for name in ("data/settings.json", "data", "logs/deep"):
        there = [tmp_path / side / "app" / name for side in ("old", "new")]
        assert there[0].stat().st_mode == there[1].stat().st_mode
    repaired = [(tmp_path / side / "app" / "data" / "settings.json").read_text() for side in ("old", "new")]
    assert repaired[0] == repaired[1] != '{"a": 1,'
