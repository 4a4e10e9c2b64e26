"""`webhook`: what arrives, which answers may pass, and what no error ever says."""

from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.notifiers.base import DeliveryError, Message, PassingError, PermanentError, State
from bridge.notifiers.webhook import Webhook
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
