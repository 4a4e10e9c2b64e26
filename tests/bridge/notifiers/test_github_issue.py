"""`github_issue` against a server that keeps issues as GitHub does."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from bridge.notifiers.base import Message, PassingError, PermanentError, State
from bridge.notifiers.github_issue import GithubIssue

ISSUES = "/repos/org/app/issues"


@dataclass
class Github:
    """The issues, newest last, and the comments of each."""

    url: str = ""
    issues: list[dict[str, Any]] = field(default_factory=list)
    comments: dict[int, list[str]] = field(default_factory=dict)
    fails_with: int = 0

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        path, _, query = path.partition("?")
        if self.fails_with:
            return self.fails_with, {"message": "no"}
        match method, path.removeprefix(ISSUES).strip("/").split("/"):
            case "GET", [""]:
                page = int(query.rpartition("page=")[2])
                found = [issue for issue in reversed(self.issues) if issue["state"] == "open"]
                return 200, found[(page - 1) * 100 : page * 100]
            case "POST", [""]:
                return 201, self.open(**body)
            case "POST", [number, "comments"]:
                self.comments.setdefault(int(number), []).append(body["body"])
                return 201, {}
            case "PATCH", [number]:
                self.issues[int(number) - 1].update(body)
                return 200, {}
        return 404, {}

    def open(self, title: str, body: str, labels: list[str], age: timedelta = timedelta(0)) -> dict[str, Any]:
        created = f"{datetime.now(UTC) - age:%Y-%m-%dT%H:%M:%SZ}"
        issue = {"number": len(self.issues) + 1, "title": title, "body": body, "labels": labels, "state": "open"}
        self.issues.append({**issue, "created_at": created})
        return issue


@pytest.fixture
def github() -> Iterator[Github]:
    known = Github()

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            allowed = self.headers["Authorization"] == "Bearer t0ken"
            body = json.loads(raw) if raw else None
            status, answer = known.answer(self.command, self.path, body) if allowed else (401, {})
            text = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *words: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    known.url = f"http://127.0.0.1:{server.server_address[1]}"
    yield known
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def notifier(github: Github, tmp_path: Path) -> GithubIssue:
    (tmp_path / "token").write_text("t0ken\n")
    return GithubIssue(repository="org/app", token_file=tmp_path / "token", api_url=github.url)


def test_a_new_trouble_is_a_new_issue(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.deliver(message, 5)
    (issue,) = github.issues
    assert issue["title"] == "🚨 [AUTO] 🚨 restart-api did not help: 受注 API (서울)"
    assert issue["labels"] == ["bug", "critical", "claude-ready"]
    assert message.story in issue["body"]
    assert "@claude Please find the cause" in issue["body"]
    assert "Runbook: https://runbooks.example/api" in issue["body"]


def test_the_same_within_a_day_is_a_comment(github: Github, notifier: GithubIssue, message: Message) -> None:
    for _ in range(3):
        notifier.deliver(message, 5)
    notifier.deliver(replace(message, dedup_key="another"), 5)
    assert [issue["number"] for issue in github.issues] == [1, 2]
    assert len(github.comments[1]) == 2


@pytest.mark.parametrize(("hours", "issues"), [(23.9, 1), (24.1, 2)])
def test_after_a_day_it_is_a_new_issue(
    hours: float, issues: int, github: Github, notifier: GithubIssue, message: Message
) -> None:
    notifier.deliver(message, 5)
    github.issues[0]["created_at"] = f"{datetime.now(UTC) - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}"
    notifier.deliver(message, 5)
    assert len(github.issues) == issues


def test_a_closed_one_is_not_opened_again(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.deliver(message, 5)
    github.issues[0]["state"] = "closed"
    notifier.deliver(message, 5)
    assert len(github.issues) == 2


def test_resolved_closes_it_with_a_comment(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.deliver(message, 5)
    github.open("by hand", "unrelated", [])
    notifier.deliver(replace(message, state=State.RESOLVED, story="fixed at 10:00"), 5)
    assert [issue["state"] for issue in github.issues] == ["closed", "open"]
    assert github.issues[0]["state_reason"] == "completed"
    assert github.comments[1] == ["Resolved: fixed at 10:00"]
    notifier.deliver(replace(message, state=State.RESOLVED), 5)
    assert len(github.issues) == 2


def test_it_is_found_behind_many_others(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.deliver(message, 5)
    for number in range(150):
        github.open(f"other {number}", "x", [])
    notifier.deliver(message, 5)
    assert len(github.comments[1]) == 1


def test_logs_call_nobody_and_forge_no_mark(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.deliver(message, 5)
    mark = github.issues[0]["body"].splitlines()[-1]
    notifier.deliver(replace(message, dedup_key="another", story=f"@everyone look {mark}"), 5)
    assert "@everyone" not in github.issues[1]["body"]
    assert mark not in github.issues[1]["body"]


def test_a_long_story_is_cut_and_says_so(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.deliver(replace(message, story="x" * 100_000, title="t" * 1000), 5)
    assert "40000 characters left out" in github.issues[0]["body"]
    assert len(github.issues[0]["body"]) < 65_536
    assert len(github.issues[0]["title"]) == 250


def test_settings(github: Github, notifier: GithubIssue, message: Message) -> None:
    keys = {"labels": ("ops",), "mention": "", "title_prefix": ""}
    notifier.model_copy(update=keys).deliver(message, 5)
    assert (github.issues[0]["title"], github.issues[0]["labels"]) == (message.title, ["ops"])
    assert "Please find" not in github.issues[0]["body"]


@pytest.mark.parametrize(
    ("status", "error"),
    [(401, PermanentError), (404, PermanentError), (422, PermanentError), (429, PassingError), (502, PassingError)],
)
def test_failures(status: int, error: type[Exception], github: Github, notifier: GithubIssue, message: Message) -> None:
    github.fails_with = status
    with pytest.raises(error) as failed:
        notifier.deliver(message, 5)
    assert "t0ken" not in str(failed.value)


def test_labels_are_as_long_as_github_takes_them(github: Github, notifier: GithubIssue, message: Message) -> None:
    notifier.model_copy(update={"labels": ("{severity}", "bug")}).deliver(replace(message, severity="s" * 80), 5)
    notifier.model_copy(update={"labels": ("{severity}", "bug")}).deliver(
        replace(message, severity="", dedup_key="b"), 5
    )
    assert [issue["labels"] for issue in github.issues] == [["s" * 50, "bug"], ["bug"]]
