"""The workflow that heals from GitHub's machines: GitHub's own schema takes it, and its scripts do what they say."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from tests.examples.itsm import Itsm, moved

FILE = Path(__file__).parents[2] / ".github" / "workflows" / "auto-error-fix-continuous.yml"
WORKFLOW = yaml.safe_load(FILE.read_text(encoding="utf-8"))
TRIGGERS = WORKFLOW[True]  # YAML 1.1 reads `on` so
STEPS = {step.get("name", step.get("uses")): step for step in WORKFLOW["jobs"]["heal"]["steps"]}


def test_githubs_schema_takes_every_workflow():
    argv = [Path(sys.executable).with_name("check-jsonschema"), "--builtin-schema", "vendor.github-workflows"]
    subprocess.run([*argv, *FILE.parent.glob("*.yml")], check=True, capture_output=True)


def test_it_can_be_called_as_it_can_be_started_by_hand():
    assert TRIGGERS["schedule"] == [{"cron": "*/5 * * * *"}]
    inputs = TRIGGERS["workflow_dispatch"]["inputs"]
    assert inputs == TRIGGERS["workflow_call"]["inputs"]
    assert {name: keys["default"] for name, keys in inputs.items()} == {
        "max_loops": 15,
        "create_issue": "yes",
        "force_run": False,
        "config": "examples/itsm-postgresql/backend/scripts/error_patterns.json",
        "test-command": "",
    }
    assert STEPS["keep the report"]["with"]["retention-days"] == 30
    assert set(WORKFLOW["jobs"]["heal"]["services"]) == {"postgres", "redis"}
    assert STEPS["keep cooldowns and positions"]["with"]["path"] == WORKFLOW_STATE
    assert not any("${{" in step.get("run", "") for step in STEPS.values()), "an input is no part of a script"


WORKFLOW_STATE = STEPS["take up cooldowns and positions"]["with"]["path"]


@pytest.mark.skipif(shutil.which("jq") is None, reason="there is no jq on this machine")
def test_its_loops_find_and_fix_and_say_so(tmp_path):
    itsm = Itsm("itsm-sqlite", tmp_path, moved("5100"))
    (itsm.home / "logs").mkdir()
    (itsm.home / "logs" / "app.log").write_text("No such file: uploads\n")
    sqlite3.connect(itsm.home / "itsm.db").close()
    environment = {
        **itsm.environment,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "STATE_DIRECTORY": str(tmp_path / ".auto-error-fix"),
        "CONFIG": str(itsm.patterns),
        "MAX_LOOPS": "2",
        "TEST_COMMAND": "echo it breaks; exit 3",
        "MKS_SKIP_HTTP_CHECK": "true",
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
    }
    for name in ("find and fix", "report"):
        argv = ["bash", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    assert (itsm.home / "uploads").is_dir()
    assert (tmp_path / "output").read_text() == "left=1\n"
    loops = [json.loads(line) for line in (tmp_path / "report" / "loops.jsonl").read_text().splitlines()]
    assert [loop["errors_detected"] for loop in loops] == [1, 0], "positions are carried on"
    assert [loop["fixes_succeeded"] for loop in loops] == [1, 0]
    summary = (tmp_path / "summary.md").read_text()
    assert "| 1 | 1 | 1 | 1 | 0 | file_not_found |" in summary
    assert "failed in the loops 1,2" in summary
    assert "it breaks" in summary
