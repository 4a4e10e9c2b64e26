"""`apprise` through its own `json://` service against a real server."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bridge.notifiers.apprise import Apprise
from bridge.notifiers.base import Message, PassingError, PermanentError, State
from tests.bridge.notifiers.conftest import Server

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")  # Apprise's own import


def _urls(tmp_path: Path, *urls: str) -> Path:
    file = tmp_path / "ops.urls"
    file.write_text("# the team\n\n" + "\n".join(urls) + "\n")
    return file


def _json(server: Server, path: str = "") -> str:
    return server.url.replace("http://", "json://") + f"/{path}"


@pytest.mark.parametrize(
    ("change", "kind"),
    [({}, "failure"), ({"severity": "warning"}, "warning"), ({"state": State.RESOLVED}, "success")],
)
def test_what_arrives(change: dict[str, Any], kind: str, server: Server, message: Message, tmp_path: Path) -> None:
    Apprise(urls_file=_urls(tmp_path, _json(server))).deliver(replace(message, **change), 5)
    (request,) = server.requests
    assert request.body["type"] == kind
    assert request.body["title"] == message.title
    assert "受注" in request.body["message"]
    assert "https://runbooks.example/api" in request.body["message"]


def test_all_failing_may_pass_and_tells_no_secret(server: Server, message: Message, tmp_path: Path) -> None:
    server.answers["*"] = (500, {})
    url = _json(server, "T0KEN").replace("json://", "json://bot:hunter2@")
    with pytest.raises(PassingError, match="1 of 1 did not take it") as failed:
        Apprise(urls_file=_urls(tmp_path, url)).deliver(message, 5)
    assert not [word for word in ("hunter2", "T0KEN") if word in str(failed.value)]


def test_who_has_it_does_not_get_it_again(server: Server, message: Message, tmp_path: Path) -> None:
    server.answers["POST /bad"] = (500, {})
    with pytest.raises(PermanentError, match="1 of 2"):
        Apprise(urls_file=_urls(tmp_path, _json(server, "good"), _json(server, "bad"))).deliver(message, 10)
    assert [request.path for request in server.requests].count("/good") == 1
    assert [request.path for request in server.requests].count("/bad") == 3


def test_its_time_is_its_time(server: Server, message: Message, tmp_path: Path) -> None:
    server.answers["*"] = (0, None)
    with pytest.raises(PassingError):
        Apprise(urls_file=_urls(tmp_path, _json(server))).deliver(message, 0.3)


@pytest.mark.parametrize("urls", [(), ("nonsense",), ("slack://",)])
def test_wrong_urls_need_a_person(urls: tuple[str, ...], message: Message, tmp_path: Path) -> None:
    with pytest.raises(PermanentError, match=r"ops\.urls"):
        Apprise(urls_file=_urls(tmp_path, *urls)).deliver(message, 1)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"json://127.0.0.1/x\n# a note\n\nmailto://u:p@example.invalid\n", []),
        (b"# nothing\n", ["{file} holds no URL"]),
        (b"json://127.0.0.1/x\nhunter2\n", ["the 2. URL of {file} is none"]),
        (b"\xff\xfe", ["{file} cannot be read: UnicodeDecodeError"]),
    ],
)
def test_what_is_wrong_with_the_file_is_seen_before_anything_happens(tmp_path, text: bytes, said: list[str]) -> None:
    file = tmp_path / "urls"
    file.write_bytes(text)
    assert [why for _, why in Apprise(urls_file=file).problems()] == [each.format(file=file) for each in said]
