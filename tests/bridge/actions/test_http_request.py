"""`http_request` and `github_rerun_workflow` against a real server."""

from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepError, StepRefusedError, StepTimeoutError
from bridge.actions.github_rerun_workflow import GithubRerunWorkflow
from bridge.actions.host.http import url_refusal
from bridge.actions.http_request import HttpRequest
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.dribbling import SLOW, dribbling
from tests.bridge.notifiers.conftest import Server


def test_what_arrives(server: Server, home: Path, make_context: MakeContext) -> None:
    (home / "token").write_text("Bearer s3cret\n")
    server.answers["POST /api/clear"] = (202, {"cleared": "受注"})
    context = make_context(Allow(urls=(f"{server.url}/api/",)))
    action = HttpRequest.model_validate(
        {
            "url": f"{server.url}/api/clear?k=v",
            "method": "POST",
            "json": {"name": "受注"},
            "headers": {"X-Why": "fix"},
            "header_files": {"Authorization": home / "token"},
        }
    )
    assert action.run(context) == f"POST {server.url}/api/clear was answered with 202"
    (request,) = server.requests
    assert (request.path, request.body) == ("/api/clear?k=v", {"name": "受注"})
    assert (request.headers["X-Why"], request.headers["Authorization"]) == ("fix", "Bearer s3cret")
    assert "s3cret" not in context.output.text() + action.plan(context)


@pytest.mark.parametrize("status", [301, 302, 400, 404, 500])
def test_other_statuses_fail_and_no_redirect_is_followed(
    status: int,
    server: Server,
    make_context: MakeContext,
) -> None:
    server.answers["*"] = (status, {})
    with pytest.raises(StepError, match=f"answered with {status}"):
        HttpRequest(url=server.url).run(make_context(Allow(urls=(server.url,))))
    assert len(server.requests) == 1
    HttpRequest(url=server.url, expect_status=frozenset({status})).run(make_context(Allow(urls=(server.url,))))


def test_no_answer(server: Server, make_context: MakeContext) -> None:
    server.answers["*"] = (0, None)
    with pytest.raises(StepTimeoutError):
        HttpRequest(url=server.url).run(make_context(Allow(urls=(server.url,)), seconds=0.3))


ALLOWED = "http://127.0.0.1:5100/api/"


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:5100/api", f"{ALLOWED}x", f"{ALLOWED}x/y?z=/../", "HTTP://127.0.0.1:5100/api/"]
)
def test_urls_that_lie_below(url: str) -> None:
    assert url_refusal(url, Allow(urls=(ALLOWED,))) is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:5100/", "http://127.0.0.1:5100/apix", "http://127.0.0.1:5101/api/", "https://127.0.0.1:5100/api/",
        "http://127.0.0.1:5100@evil.example/api/", "http://127.0.0.1:5100.evil.example/api/", "http://a@127.0.0.1:5100/api/",
        "http://127.0.0.1:5100/api/../admin", "http://127.0.0.1:5100/api/%2e%2e/admin", "http://127.0.0.1:5100/api/..%2fadmin",
        f"{ALLOWED}%252e%252e/admin", f"{ALLOWED}..;a=b/admin", f"{ALLOWED}%2e%2e%5cadmin", f"{ALLOWED}.%2E;/admin",
        "http://127.0.0.1:5100\\@evil.example/api/", "http://[/api/", "http://127.0.0.1:99999/api/", "http://evil.example/#http://127.0.0.1:5100/api/",
    ],
)  # fmt: skip
def test_urls_that_lead_elsewhere(url: str, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match="url: "):
        HttpRequest(url=url).run(make_context(Allow(urls=(ALLOWED,))))


@pytest.mark.parametrize(
    "keys", [{"url": "file:///etc/passwd"}, {"url": "http://a\r\nX: y"}, {"headers": {"X": "a\r\nB: c"}}]
)
def test_what_is_no_request(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        HttpRequest.model_validate({"url": "http://a.example/", **keys})


RUN = "/repos/org/app/actions/runs/42"


def rerun(server: Server, home: Path) -> GithubRerunWorkflow:
    (home / "token").write_text("t0ken\n")
    return GithubRerunWorkflow(repository="org/app", run_id="42", token_file=home / "token", api_url=server.url)


@pytest.mark.parametrize(
    ("found", "again"),
    [
        ({"status": "completed", "conclusion": "failure", "run_attempt": 1}, "for the 2. time"),
        ({"status": "completed", "conclusion": "success", "run_attempt": 1}, "left alone"),
        ({"status": "in_progress", "conclusion": None, "run_attempt": 1}, "left alone"),
        ({"status": "completed", "conclusion": "failure", "run_attempt": 3}, "has failed 3 times already"),
    ],
)
def test_a_workflow_runs_again(
    found: dict[str, object],
    again: str,
    server: Server,
    home: Path,
    make_context: MakeContext,
) -> None:
    server.answers |= {f"GET {RUN}": (200, found), f"POST {RUN}/rerun-failed-jobs": (201, {}), "*": (404, {})}
    try:
        said = rerun(server, home).run(make_context(Allow(repositories=frozenset({"org/app"}))))
    except StepError as failed:
        said = str(failed)
    assert again in said
    assert [request.method for request in server.requests] == (["GET", "POST"] if "2. time" in again else ["GET"])
    assert server.requests[0].headers["Authorization"] == "Bearer t0ken"


def test_another_repository_is_refused(server: Server, home: Path, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match="is not in allow"):
        rerun(server, home).run(make_context(Allow(repositories=frozenset({"org/other"}))))
    assert server.requests == []


@pytest.mark.parametrize(
    ("key", "text"), [("run_id", "42/../.."), ("run_id", "-1"), ("repository", "org/app/../x"), ("repository", "org")]
)
def test_labels_cannot_lead_elsewhere(key: str, text: str, home: Path) -> None:
    keys = {"repository": "org/app", "run_id": "42", "token_file": home / "t", key: text}
    with pytest.raises(ValidationError):
        GithubRerunWorkflow.model_validate(keys)


@pytest.mark.parametrize("how", SLOW)
def test_a_server_that_dribbles_outlasts_no_step(how: str, make_context: MakeContext) -> None:
    with dribbling(SLOW[how]) as url, pytest.raises(StepTimeoutError):
        HttpRequest(url=url).run(make_context(Allow(urls=(url,)), seconds=0.5))


def test_an_answer_without_an_end_is_read_so_far(make_context: MakeContext) -> None:
    context = make_context(Allow(urls=("http://127.0.0.1/",)))
    with dribbling((b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 65536, 0)) as url:
        HttpRequest(url=url).run(make_context(Allow(urls=(url,))))
    assert len(context.output.text()) <= 256 * 1024


def test_a_server_that_repeats_our_secret(server: Server, home: Path, make_context: MakeContext) -> None:
    (home / "key").write_text("Bearer s3cret-of-ours\n")
    server.answers["*"] = (500, {"you sent": {"X-Auth": "Bearer s3cret-of-ours"}, "that is": "s3cret-of-ours"})
    context = make_context(Allow(urls=(server.url,)))
    with pytest.raises(StepError) as failed:
        HttpRequest(url=server.url, header_files={"X-Auth": home / "key"}).run(context)
    assert "you sent" in context.output.text()
    assert "s3cret" not in context.output.text() + str(failed.value)
