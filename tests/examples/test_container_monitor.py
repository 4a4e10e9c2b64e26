"""examples/container-monitor: what each remediation does, and a failed workflow that becomes an issue."""

import json
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.bridge.notifiers.conftest import Server, server  # noqa: F401 - a fixture
from tests.deploy.test_systemd import REMEDY

EXAMPLE = Path(__file__).parents[2] / "examples" / "container-monitor"
SITE = "/repos/acme/shop"


@pytest.fixture
def place(tmp_path: Path, server: Server) -> Path:  # noqa: F811
    """The example's files; GitHub is the local server, and of the checks only that of the workflows is left."""
    (tmp_path / "github").write_text("t0ken\n")
    for file in EXAMPLE.glob("*.yml"):
        text = file.read_text().replace("/etc/remedy/github", f"{tmp_path}/github")
        text = text.replace("/var/lib/remedy", str(tmp_path)).replace("within: 30s", "within: 1s")
        text = text.replace("repository: acme/shop,", f'repository: acme/shop, api_url: "{server.url}",')
        if file.name == "exporter.yml":
            lines = text.splitlines()
            first = next(i for i, line in enumerate(lines) if "name: workflows" in line)
            text = "\n".join([f"state: {tmp_path}/exporter.db", "checks:", *lines[first : first + 2], ""])
        (tmp_path / file.name).write_text(text)
        (tmp_path / file.name).chmod(0o600)
    remediation = tmp_path / "remediation.yml"
    remediation.write_text("".join(
        line for line in remediation.read_text().splitlines(keepends=True)
        if not line.startswith(("alertmanagers:", "prometheus:"))
    ))  # fmt: skip
    return tmp_path


def test_each_remediation_does_what_it_says(tmp_path: Path) -> None:
    (tmp_path / "github").write_text("t0ken\n")
    for file in EXAMPLE.glob("remediation*.yml"):
        (tmp_path / file.name).write_text(file.read_text().replace("/etc/remedy/github", f"{tmp_path}/github"))
        (tmp_path / file.name).chmod(0o600)
    argv = [REMEDY, "test", tmp_path / "remediation_test.yml"]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stdout + done.stderr


def once(place: Path) -> int:
    files = ["--config", place / "exporter.yml", "--config", place / "remediation.yml"]
    argv = [REMEDY, "run", "--once", "--json", *files]
    return subprocess.run(argv, check=False, capture_output=True, timeout=120).returncode


def posted(server: Server, ending: str) -> list[dict[str, str]]:  # noqa: F811
    return [each.body for each in server.requests if each.method == "POST" and each.path.endswith(ending)]


def test_a_failed_workflow_becomes_an_issue_with_its_log_and_is_closed_when_it_is_over(
    place: Path,
    server: Server,  # noqa: F811
) -> None:
    now = datetime.now(UTC).isoformat()
    failed = {
        "id": 42, "name": "CI", "run_number": 7, "head_branch": "main", "html_url": "https://github.example/42",
        "conclusion": "failure", "created_at": now,
    }  # fmt: skip
    job = {"id": 1, "name": "tests", "conclusion": "failure", "steps": [{"name": "pytest", "conclusion": "failure"}]}
    server.answers |= {
        f"GET {SITE}/actions/runs": (200, {"workflow_runs": [failed]}),
        f"GET {SITE}/actions/runs/42/jobs": (200, {"jobs": [job]}),
        f"GET {SITE}/actions/jobs/1/logs": (200, "2026-11-21T02:00:00.0000000Z ##[error]3 failed, 受注"),
        f"GET {SITE}/issues": (200, []),
        f"POST {SITE}/issues": (201, {"number": 5}),
        "*": (200, {}),
    }  # fmt: skip
    assert once(place) == 1, "it is left to people"
    (issue,) = posted(server, "/issues")
    assert issue["title"].startswith("🚨 [AUTO] HealthCheckFailing")
    assert issue["labels"] == ["bug", "warning", "claude-ready"]
    for part in ("job: tests, step: pytest", "cause: 3 failed, 受注", "@claude"):
        assert part in issue["body"]

    server.answers[f"GET {SITE}/issues"] = (200, [{"number": 5, "body": issue["body"], "created_at": now}])
    once(place)
    assert len(posted(server, "/issues")) == 1, "the same problem makes no second issue"

    server.answers[f"GET {SITE}/actions/runs"] = (200, {"workflow_runs": []})
    assert once(place) == 0
    assert "It is over" in json.dumps(posted(server, "/issues/5/comments"), ensure_ascii=False)
    closed = [each.body for each in server.requests if each.method == "PATCH"]
    assert [each["state"] for each in closed] == ["closed"]
