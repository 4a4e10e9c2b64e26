"""The workflow that heals from GitHub's machines: GitHub's own schema takes it, and its scripts do what they say."""

import json
import os
import re
import shutil
import sqlite3
import subprocess
import sys
from datetime import UTC, datetime, timedelta
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


@pytest.mark.parametrize("file", sorted(FILE.parent.glob("*.yml")), ids=lambda file: file.stem)
def test_shellcheck_finds_nothing_in_their_scripts(file: Path) -> None:
    jobs = yaml.safe_load(file.read_text(encoding="utf-8"))["jobs"]
    scripts = [step["run"] for job in jobs.values() for step in job.get("steps", ()) if "run" in step]
    assert scripts
    for script in scripts:
        argv = [Path(sys.executable).with_name("shellcheck"), "--shell=bash", "-"]
        done = subprocess.run(argv, input=script, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout


def test_each_expression_names_what_is_there() -> None:
    """What neither the schema nor a run here can see: a misspelt one is empty on GitHub's machines."""
    text = FILE.read_text(encoding="utf-8")
    expressions = " ".join(re.findall(r"\$\{\{(.*?)\}\}", text) + re.findall(r"^ +if: (.*)$", text, re.MULTILINE))
    assert set(re.findall(r"\binputs\.([\w-]+)", expressions)) == set(TRIGGERS["workflow_dispatch"]["inputs"])
    outputs = re.findall(r"\bsteps\.(\w+)\.outputs\.(\w+)", expressions)
    scripts = {step["id"]: step["run"] for step in STEPS.values() if "id" in step}
    assert outputs
    for step, output in outputs:
        assert f'echo "{output}=' in scripts[step]
    known = {"inputs", "steps", "github", "vars"}
    assert set(re.findall(r"\b([a-z]+)\.", re.sub(r"'[^']*'", "", expressions))) <= known | {"outputs", "loops"}
    environment = set(WORKFLOW["jobs"]["heal"]["env"]) | {"GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY"}
    for step in STEPS.values():
        used = set(re.findall(r"\$\{?([A-Z_]{3,})", step.get("run", "")))
        assert used <= environment | set(step.get("env", ())), step


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


class Runner:
    """One of GitHub's machines: it runs the workflow's scripts as they stand there."""

    def __init__(self, folder: Path, **environment: str):
        self.folder = folder
        self.environment = {
            **os.environ,
            "PATH": f"{folder / 'bin'}:{Path(sys.executable).parent}:{os.environ['PATH']}",
            "STATE_DIRECTORY": str(folder / ".auto-error-fix"),
            "MAX_LOOPS": "15",
            "TEST_COMMAND": "",
            "FORCE_RUN": "false",
            "MKS_SKIP_HTTP_CHECK": "true",
            "GITHUB_OUTPUT": str(folder / "output"),
            "GITHUB_STEP_SUMMARY": str(folder / "summary.md"),
            **environment,
        }
        (folder / "bin").mkdir()
        self.program("sleep", "exit 0")

    def program(self, name: str, script: str) -> None:
        program = self.folder / "bin" / name
        program.write_text(f"#!/bin/bash\n{script}\n")
        program.chmod(0o755)

    def step(self, name: str, **environment: str) -> subprocess.CompletedProcess[str]:
        argv = ["bash", "-eo", "pipefail", "-c", STEPS[name]["run"]]
        return subprocess.run(
            argv, cwd=self.folder, env=self.environment | environment, capture_output=True, text=True, check=False
        )

    def does(self, name: str, **environment: str) -> None:
        done = self.step(name, **environment)
        assert done.returncode == 0, done.stderr

    def loops(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.written("report/loops.jsonl").splitlines()]

    def written(self, name: str) -> str:
        return (self.folder / name).read_text()


@pytest.fixture
def itsm(tmp_path: Path) -> Itsm:
    itsm = Itsm("itsm-sqlite", tmp_path, moved("5100"))
    (itsm.home / "logs").mkdir()
    sqlite3.connect(itsm.home / "itsm.db").close()
    return itsm


def log(itsm: Itsm, text: str) -> None:
    """Write the log as a fresh machine has it: another file of the same name."""
    fresh = itsm.home / "logs" / "fresh"
    fresh.write_text(text)
    fresh.rename(itsm.home / "logs" / "app.log")


def test_its_loops_find_and_fix_and_say_so(tmp_path: Path, itsm: Itsm) -> None:
    log(itsm, "No such file: uploads\n")
    breaks = "echo it breaks ~~~; exit 3"
    runner = Runner(tmp_path, CONFIG=str(itsm.patterns), MAX_LOOPS="2", TEST_COMMAND=breaks)
    runner.does("find and fix")
    runner.does("report")
    assert (itsm.home / "uploads").is_dir()
    assert runner.written("output") == "left=1\n"
    assert [loop["errors_detected"] for loop in runner.loops()] == [1, 0], "a line counts once"
    assert [loop["fixes_succeeded"] for loop in runner.loops()] == [1, 0]
    summary = runner.written("summary.md")
    assert "| 1 | 1 | 1 | 1 | 0 | file_not_found |" in summary
    assert "failed in the loops 1,2" in summary
    assert "it breaks ~ ~ ~\n" in summary
    assert summary.count("~~~") == 2


def test_positions_and_cooldowns_go_from_machine_to_machine(tmp_path: Path, itsm: Itsm) -> None:
    log(itsm, "No such file: uploads\n")
    runner = Runner(tmp_path, CONFIG=str(itsm.patterns))
    runner.does("find and fix")
    assert [loop["errors_detected"] for loop in runner.loops()] == [1, 0], "two loops in which all is well are enough"
    assert runner.written("output") == "left=0\n"

    shutil.rmtree(itsm.home / "uploads")
    log(itsm, "No such file: uploads\nNo such file: uploads, again\n")
    runner.does("find and fix", MAX_LOOPS="1")
    last = runner.loops()[-1]
    assert (last["errors_detected"], last["fixes_attempted"]) == (1, 0), "its cooldown holds"
    assert runner.written("output") == "left=0\nleft=1\n"

    log(itsm, "No such file: uploads\nNo such file: uploads, again\nNo such file: uploads, forced\n")
    runner.does("find and fix", MAX_LOOPS="1", FORCE_RUN="true")
    assert runner.loops()[-1]["fixes_succeeded"] == 1
    assert (itsm.home / "uploads").is_dir()


def test_a_wrong_configuration_ends_it_and_the_report_says_so(tmp_path: Path) -> None:
    runner = Runner(tmp_path, CONFIG="nothing.json")
    assert runner.step("find and fix").returncode == 2
    runner.does("report")
    assert "No loop came to its end" in runner.written("summary.md")


@pytest.mark.parametrize("open_issue", ["", "7"])
def test_what_is_left_is_one_issue_a_day(tmp_path: Path, open_issue: str) -> None:
    runner = Runner(tmp_path, GH_TOKEN="t0ken", GH_REPO="org/app")
    runner.program("gh", f'echo "$*" >> gh.log\n[ "$1 $2" != "issue list" ] || echo "{open_issue}"')
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "report.md").write_text("x\n")
    runner.does("issue")
    *_, asked, told = runner.written("gh.log").splitlines()
    since = re.search(r"created:>(\S+)", asked)
    age = datetime.now(UTC) - datetime.fromisoformat(since[1])
    assert timedelta(hours=23, minutes=59) < age < timedelta(hours=24, minutes=1)
    wanted = f"issue comment {open_issue}" if open_issue else "issue create --title 🚨 [AUTO] errors are left"
    assert told.startswith(wanted)
    assert "--body-file report/report.md" in told
    assert STEPS["issue"]["if"] == (
        "always() && steps.loops.outputs.left != '0' && (inputs.create_issue || 'yes') != 'no'"
    )
