"""`webhook`: what arrives, which answers may pass, and what no error ever says."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.notifiers.base import DeliveryError, Message, PassingError, PermanentError, State
from bridge.notifiers.webhook import Webhook
from tests.bridge.dribbling import SLOW, dribbling
from tests.bridge.local_server import listening, saying
from tests.bridge.notifiers.conftest import Server


def test_what_arrives(server: Server, message: Message) -> None:
    Webhook(url=f"{server.url}/hook").deliver(replace(message, state=State.RESOLVED), 5)
    (request,) = server.requests
    assert (request.method, request.path) == ("POST", "/hook")
    assert request.body == {
        "version": "1",
        "state": "resolved",
        "title": "🚨 restart-api did not help: 受注 API (서울)",
        "story": message.story,
        "severity": "critical",
        "labels": dict(message.labels),
        "runbook_url": "https://runbooks.example/api",
        "dedup_key": "restart-api/web-1/http_endpoint",
    }


@pytest.mark.parametrize(
    ("status", "error"),
    [(408, PassingError), (429, PassingError), (500, PassingError), (503, PassingError)]
    + [(status, PermanentError) for status in (301, 302, 400, 401, 403, 404, 410, 422)],
)
def test_answers_tell_whether_to_try_again(
    status: int, error: type[DeliveryError], server: Server, message: Message
) -> None:
    server.answers["*"] = (status, {"error": "no"})
    with pytest.raises(error, match=f"127.0.0.1 answered {status}"):
        Webhook(url=server.url).deliver(message, 5)
    assert len(server.requests) == 1


def test_no_answer_may_pass_and_is_not_waited_for(server: Server, message: Message) -> None:
    server.answers["*"] = (0, None)
    with pytest.raises(PassingError, match="timed out"):
        Webhook(url=server.url).deliver(message, 0.2)


def test_nobody_there_may_pass(message: Message) -> None:
    with pytest.raises(PassingError, match="no connection"):
        Webhook(url="http://127.0.0.1:1/").deliver(message, 2)


@pytest.mark.parametrize("status", [0, 404, 500])
def test_no_error_tells_the_secret_of_a_url(status: int, server: Server, message: Message, tmp_path: Path) -> None:
    file = tmp_path / "url"
    file.write_text(server.url.replace("http://", "http://bot:hunter2@") + "/services/T0KEN?key=S3CRET\n")
    server.answers["*"] = (status, {"error": "Cannot POST /services/T0KEN?key=S3CRET"})
    with pytest.raises(DeliveryError) as failed:
        Webhook(url_file=file).deliver(message, 0.5)
    told = f"{failed.value!r} {failed.value.__cause__!r}"
    assert not [word for word in ("hunter2", "T0KEN", "S3CRET") if word in told]
    assert failed.value.__context__ is None or failed.value.__suppress_context__


def test_credentials_are_read_when_needed(server: Server, message: Message, tmp_path: Path) -> None:
    file = tmp_path / "token"
    hook = Webhook(url=server.url, authorization={"credentials_file": file})
    with pytest.raises(PermanentError, match="token cannot be read"):
        hook.deliver(message, 5)
    file.write_text("abc\n")
    hook.deliver(message, 5)
    assert server.requests[-1].headers["Authorization"] == "Bearer abc"


@pytest.mark.parametrize("keys", [{}, {"url": "http://a.example", "url_file": "/x"}, {"url": "file:///etc/passwd"}])
def test_wrong_keys(keys: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        Webhook.model_validate(keys)


@pytest.mark.parametrize("how", SLOW)
def test_a_server_that_dribbles_is_not_waited_for(how: str, message: Message) -> None:
    with dribbling(SLOW[how]) as url, pytest.raises(PassingError, match="timed out"):
        Webhook(url=url).deliver(message, 0.5)


@pytest.mark.parametrize(
    ("status", "headers", "error", "wait"),
    [
        (429, {"Retry-After": "90"}, PassingError, 90),
        (429, {"Retry-After": "9" * 400}, PassingError, 3600),
        (429, {"Retry-After": "soon"}, PassingError, 0),
        (503, {"Retry-After": "Thu, 01 Jan 1970 00:00:00 GMT"}, PassingError, 0),
        (503, {"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}, PassingError, 3600),
        (403, {"Retry-After": "60"}, PassingError, 60),
        (403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "99999999999"}, PassingError, 3600),
        (403, {"X-RateLimit-Remaining": "17"}, PermanentError, None),
        (403, {"X-RateLimit-Remaining": "17", "X-Body": "You have exceeded a secondary rate limit."}, PassingError, 60),
    ],
)
def test_a_server_that_wants_to_be_left_in_peace(
    status: int, headers: dict[str, str], error: type[DeliveryError], wait: float | None, message: Message
) -> None:
    with listening() as asked:
        asked.reply = saying(status, headers.get("X-Body", "no").encode(), **headers)
        with pytest.raises(error) as failed:
            Webhook(url=asked.url).deliver(message, 5)
    assert getattr(failed.value, "wait", None) == wait


def test_no_error_repeats_a_token_or_a_password(server: Server, message: Message, tmp_path: Path) -> None:
    server.answers["*"] = (500, "Bearer t0ken-of-ours is wrong, and so is pa55word: dXNlcjpwYTU1d29yZA==")
    (tmp_path / "secret").write_text("t0ken-of-ours\n")
    for access in (
        {"authorization": {"credentials_file": tmp_path / "secret"}},
        {"basic_auth": {"username": "user", "password": "pa55word"}},
    ):
        with pytest.raises(PassingError) as failed:
            Webhook(url=server.url, **access).deliver(message, 5)
        hidden = ("t0ken",) if "authorization" in access else ("pa55word", "dXNlcj")
        assert not [word for word in hidden if word in str(failed.value)]
