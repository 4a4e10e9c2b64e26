"""What failed in GitHub's workflows, quoted for people; a local server stands for GitHub."""

from pathlib import Path

import pytest

from bridge.actions.base import Allow, StepError, StepRefusedError
from bridge.actions.github_failed_jobs import GithubFailedJobs
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.notifiers.conftest import Server

BASE = "/repos/org/app/actions"
ALLOW = Allow(repositories=frozenset({"org/app"}))
STAMP = "2026-11-21T02:00:00.0000000Z "
LOG = "\n".join(
    f"{STAMP}{line}" for line in ("pip install", "5 failed, 受注 🚨", "##[error]exit code 1", "Cleaning up")
)


def quoting(server: Server, home: Path, **keys: object) -> GithubFailedJobs:
    (home / "token").write_text("t0ken\n")
    return GithubFailedJobs.model_validate(
        {"repository": "org/app", "token_file": home / "token", "api_url": server.url, **keys}
    )


@pytest.fixture
def github(server: Server) -> Server:
    def run(number: int, conclusion: str | None) -> dict[str, object]:
        page = f"https://github.example/{number}"
        return {
            "id": number, "name": "CI", "run_number": number, "head_branch": "main", "html_url": page,
            "conclusion": conclusion,
        }  # fmt: skip

    steps = [{"name": "checkout", "conclusion": "success"}, {"name": "pytest", "conclusion": "failure"}]
    failed = {"id": 7, "name": "tests (3.11)", "conclusion": "failure", "steps": steps}
    server.answers |= {
        f"GET {BASE}/runs": (200, {"workflow_runs": [run(42, "failure"), run(41, "success"), run(43, None)]}),
        f"GET {BASE}/runs/42/jobs": (200, {"jobs": [failed, {"id": 8, "name": "lint", "conclusion": "success"}]}),
        f"GET {BASE}/jobs/7/logs": (200, LOG),
        "*": (404, {}),
    }
    return server


def test_job_step_cause_and_log_are_quoted(github: Server, home: Path, make_context: MakeContext) -> None:
    context = make_context(ALLOW)
    assert quoting(github, home, log_lines=2).run(context) == "1 failed runs of org/app with 1 failed jobs"
    assert context.output.text().splitlines() == [
        "== CI #42 on main: https://github.example/42",
        "job: tests (3.11), step: pytest",
        "cause: exit code 1",
        "| ##[error]exit code 1",
        "| Cleaning up",
    ]


def test_names_in_every_script_stay_whole(github: Server, home: Path, make_context: MakeContext) -> None:
    context = make_context(ALLOW)
    quoting(github, home).run(context)
    assert "| 5 failed, 受注 🚨" in context.output.text()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"workflows": ["Deploy"]}, "no workflow of org/app failed in the last 1d"),
        ({"most_jobs": 1}, "1 failed runs of org/app with 1 failed jobs"),
    ],
)
def test_what_is_wanted(
    github: Server, home: Path, make_context: MakeContext, keys: dict[str, object], said: str
) -> None:
    assert quoting(github, home, **keys).run(make_context(ALLOW)) == said


def test_a_log_elsewhere_is_read_without_the_token(github: Server, home: Path, make_context: MakeContext) -> None:
    github.answers |= {
        f"GET {BASE}/jobs/7/logs": (302, {"Location": f"{github.url}/blob"}),
        "GET /blob": (200, LOG),
    }
    context = make_context(ALLOW)
    quoting(github, home).run(context)
    assert "cause: exit code 1" in context.output.text()
    (blob,) = [request for request in github.requests if request.path == "/blob"]
    assert "Authorization" not in blob.headers


def test_it_follows_nowhere_without_tls(github: Server, home: Path, make_context: MakeContext) -> None:
    github.answers[f"GET {BASE}/jobs/7/logs"] = (302, {"Location": "http://127.0.0.2:1/latest/meta-data"})
    context = make_context(ALLOW)
    quoting(github, home).run(context)
    assert "log: GitHub does not show the log of job 7: 302" in context.output.text()


def test_a_refusal_of_github_fails_the_step(github: Server, home: Path, make_context: MakeContext) -> None:
    github.answers[f"GET {BASE}/runs"] = (403, {})
    with pytest.raises(StepError, match="does not show the runs of org/app: 403"):
        quoting(github, home).run(make_context(ALLOW))


def test_another_repository_is_refused(github: Server, home: Path, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match="is not in allow"):
        quoting(github, home).run(make_context(Allow()))
    assert github.requests == []


def test_long_lists_and_long_logs_are_read_to_their_end(github: Server, home: Path, make_context: MakeContext) -> None:
    github.answers[f"GET {BASE}/runs"][1]["workflow_runs"] += [{"conclusion": "success", "more": "x" * 15_000}] * 100
    stamp = "2026-01-01T00:00:00.0000000Z "
    github.answers[f"GET {BASE}/jobs/7/logs"] = (200, f"{stamp}setting up\n" * 20_000 + f"{stamp}##[error]at the end\n")
    context = make_context(ALLOW)
    assert quoting(github, home, log_lines=2).run(context) == "1 failed runs of org/app with 1 failed jobs"
    assert "cause: at the end" in context.output.text()


@pytest.mark.parametrize("body", ["<html>", '{"workflow_runs": ['])
def test_an_answer_that_is_none_is_not_taken_for_good_news(
    body: str, github: Server, home: Path, make_context: MakeContext
) -> None:
    github.answers[f"GET {BASE}/runs"] = (200, body)
    with pytest.raises(StepError, match="is no GitHub"):
        quoting(github, home).run(make_context(ALLOW))


def test_jobs_that_are_not_shown_fail_the_step(github: Server, home: Path, make_context: MakeContext) -> None:
    github.answers[f"GET {BASE}/runs/42/jobs"] = (502, "<html>")
    with pytest.raises(StepError, match="does not show the jobs of run 42: 502"):
        quoting(github, home).run(make_context(ALLOW))
