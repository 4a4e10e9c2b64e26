"""`log_analysis` of what a real exporter matched."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from pydantic import ValidationError

from bridge.actions.base import Allow, StepError, StepRefusedError
from bridge.actions.log_analysis import LogAnalysis
from tests.bridge.actions.conftest import MakeContext
from tests.exporters.running import RunningExporter

LINES = "".join(f"2026-11-21 10:00:0{n} write {n} failed: No space left on device\n" for n in range(5))


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[RunningExporter]:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "token").chmod(0o600)
    for name in ("app", "db"):
        (tmp_path / f"{name}.log").write_text(LINES)
    sources = [{"name": name, "path": str(tmp_path / f"{name}.log"), "start_at": "beginning"} for name in ("app", "db")]
    config = {"log_sources": sources, "web": {"bearer_token_file": str(tmp_path / "token")}}
    with RunningExporter(tmp_path, config) as running:
        deadline = time.monotonic() + 20
        while (
            requests.get(f"{running.url}/metrics", timeout=9).text.count('pattern="disk_full",severity="critical"') < 2
        ):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield running


def act(exporter: RunningExporter, tmp_path: Path, **keys: Any) -> LogAnalysis:
    matches = {"url": exporter.url, "pattern": "disk_full", "bearer_token_file": tmp_path / "token", **keys}
    return LogAnalysis.model_validate({"matches": {key: value for key, value in matches.items() if value is not None}})


def test_its_matches_are_grouped(exporter: RunningExporter, tmp_path: Path, make_context: MakeContext) -> None:
    context = make_context(Allow(urls=(exporter.url,)))
    said = act(exporter, tmp_path).run(context)
    assert said == "10 complaints of 2 kinds; most often: write # failed: No space left on device"
    text = context.output.text()
    assert "== latest matches of disk_full in app: 1 kinds of complaint" in text
    assert "5x write # failed: No space left on device, 2026-11-21 10:00:00 to 2026-11-21 10:00:04" in text
    assert act(exporter, tmp_path, source="db").run(context).startswith("5 complaints of 1 kinds")
    assert act(exporter, tmp_path, pattern="nosuch").run(context) == "there are no complaints"


@pytest.mark.parametrize(
    ("keys", "why"),
    [
        ({"bearer_token_file": None}, "does not show its matches: 401"),
        ({"bearer_token_file": Path("/nonexistent")}, "secret file"),
        ({"bearer_token_file": None, "username": "x", "password_file": Path("/etc/hostname")}, "matches: 401"),
    ],
)
def test_why_not(
    keys: dict[str, Any], why: str, exporter: RunningExporter, tmp_path: Path, make_context: MakeContext
) -> None:
    with pytest.raises(StepError, match=why):
        act(exporter, tmp_path, **keys).run(make_context(Allow(urls=(exporter.url,))))


def test_only_where_we_may(exporter: RunningExporter, tmp_path: Path, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match=r"matches\.url: .* begins with none of allow\.urls"):
        act(exporter, tmp_path).run(make_context(Allow(urls=("http://127.0.0.1:1",))))


@pytest.mark.parametrize("pattern", ["", "-x", "a b", "a/b", "a\n", "a&pattern=b", "é"])
def test_what_is_no_pattern(pattern: str) -> None:
    with pytest.raises(ValidationError):
        LogAnalysis.model_validate({"matches": {"url": "http://127.0.0.1:9195", "pattern": pattern}})
