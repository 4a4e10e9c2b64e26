"""Who may ask what, tried on a real exporter; beyond loopback is what a proxy says it forwarded."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import bcrypt
import pytest
import requests

from exporters.logs.redaction import shown
from tests.exporters.running import RunningExporter

BEYOND = {"X-Forwarded-For": "203.0.113.9"}
PAGES = ["/metrics", "/health", "/-/healthy", "/", "/probe?check=disk", "/api/v1/matches?pattern=disk_full"]
CHECKS: dict[str, object] = {"checks": [{"name": "disk", "kind": "disk", "threshold": 100}]}


def statuses(exporter: RunningExporter, **options: object) -> list[int]:
    found = [requests.get(exporter.url + page, timeout=10, **options).status_code for page in PAGES]  # type: ignore[arg-type]
    return [*found, requests.post(f"{exporter.url}/-/reload", timeout=10, **options).status_code]  # type: ignore[arg-type]


def test_without_credentials(tmp_path: Path) -> None:
    with RunningExporter(tmp_path, CHECKS) as exporter:
        assert statuses(exporter) == [200] * 7
        assert statuses(exporter, headers=BEYOND) == [200, 200, 200, 401, 401, 401, 401]
        assert statuses(exporter, headers={"Host": "attacker.example"}) == [200, 200, 200, 421, 421, 421, 421]
        assert (
            requests.post(f"{exporter.url}/-/reload", headers={"Origin": "http://x.example"}, timeout=9).status_code
            == 403
        )


def test_with_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("secret\n")
    token.chmod(0o600)
    log = tmp_path / "app.log"
    log.write_text("password=hunter2 No space left on device\n")
    sources = [{"name": "app", "path": str(log), "start_at": "beginning"}]
    config = {**CHECKS, "log_sources": sources, "web": {"bearer_token_file": str(token)}}
    right = {"Authorization": "Bearer secret"}
    with RunningExporter(tmp_path, config) as exporter:
        assert statuses(exporter) == [200, 200, 200, 200, 200, 401, 200]
        assert statuses(exporter, headers=BEYOND) == [401, 401, 200, 401, 401, 401, 401]
        assert statuses(exporter, headers={**BEYOND, **right}) == [200] * 7
        assert statuses(exporter, headers={**BEYOND, "Authorization": "Bearer wrong"})[3:] == [401] * 4
        seen = requests.get(f"{exporter.url}/api/v1/matches?pattern=disk_full", headers=right, timeout=9).json()
        assert seen["sources"] == {"app": ["password=… No space left on device"]}


def test_of_many_passwords_at_once_some_come_again_and_none_is_wrong(tmp_path: Path) -> None:
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{ann: '{bcrypt.hashpw(b'right', bcrypt.gensalt(12)).decode()}'}}")
    web.chmod(0o600)
    config = {**CHECKS, "web": {"config_file": str(web)}}
    asked = {"headers": BEYOND, "auth": ("ann", "right"), "timeout": 30}
    with RunningExporter(tmp_path, config) as exporter, ThreadPoolExecutor(12) as asking:
        answers = list(asking.map(lambda _: requests.get(f"{exporter.url}/metrics", **asked), range(12)))
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers.get("Retry-After") for answer in answers if answer.status_code != 200} == {"1"}


@pytest.mark.parametrize(
    ("line", "text"),
    [
        (b"all is well", "all is well"),
        (b'{"api_key": "abc", "user": "x"}', '{"api_key": "…", "user": "x"}'),
        (b"Authorization: Bearer abc.def", "Authorization: Bearer …"),
        (b"connect to postgresql://app:secret@db/app failed", "connect to postgresql://app:…@db/app failed"),
        (b"bad \xff\0 \x1b[31m bytes", "bad \N{REPLACEMENT CHARACTER}  [31m bytes"),
        (b"x" * 5000, "x" * 500 + "…"),
        (b'{"password": "two words", "a": 1}', '{"password": "…", "a": 1}'),
        (rb'{"log":"{\"token\":\"abc\",\"a\":1}"}', r'{"log":"{\"token\":\"…\",\"a\":1}"}'),
        (b"AWS_SECRET_ACCESS_KEY=abc DB_PASS='x y' z", "AWS_SECRET_ACCESS_KEY=… DB_PASS='…' z"),
        (b"run --db-password hunter2 --port 1", "run --db-password … --port 1"),
        (b"pushed with ghp_0123456789abcdefghijABCDEFGHIJ012345", "pushed with …"),
        (b"got eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc-def_1", "got …"),
        (b"password='unclosed and more", "password='…'"),
        (b"the tests pass: all is well", "the tests pass: all is well"),
    ],
)
def test_lines_as_people_may_see_them(line: bytes, text: str) -> None:
    assert shown(line) == text
