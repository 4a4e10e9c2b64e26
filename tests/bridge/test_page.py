"""The operators' page with what there is at night: holds, approvals, odd names, nothing at all, and a great deal."""

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.bridge.served_bridge import Served, served
from tests.bridge.world import alert


@pytest.fixture
def bridge(tmp_path: Path) -> Iterator[Served]:
    with served(tmp_path) as running:
        yield running


def page(bridge: Served) -> str:
    answer = bridge.ask("GET", "/")
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.text)


def test_nothing_has_happened_yet(bridge: Served) -> None:
    text = page(bridge)
    for said in ("Nothing fires.", "Nothing has been run yet.", "Nothing has been notified yet.", "<b>0</b> firing"):
        assert said in text


def test_what_holds_fixes_stands_first_with_what_to_do(bridge: Served, tmp_path: Path) -> None:
    bridge.ask("PUT", "/api/v1/pause", "operator", json={"reason": "データベース移行 <b>", "remediation": "never"})
    bridge.notify(alert({"alertname": "Ask", "instance": "db-1:1"}))
    bridge.notify(*(alert({"alertname": "Down", "instance": f"web-{number}:1"}) for number in range(3)))
    (waiting,) = bridge.wait_for("/api/v1/runs", "runs", 1, state="awaiting_approval")
    bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="breaker_open")
    (tmp_path / "PAUSE").write_text("moving house")
    text = page(bridge)
    above = text.partition("<h2>Firing")[0]
    assert "<bdi>データベース移行 &lt;b&gt;, says ann (basic)</bdi>" in above
    assert "remedy resume --remediation never" in above
    assert "remedy breaker reset --remediation auto" in above
    assert f"remedy approve {waiting['id']}" in above
    assert "is there: moving house" in above
    assert "<title>(!) 4 firing" in text


def test_names_of_all_the_world_and_long_ones(bridge: Served) -> None:
    names = ["디스크 🔥", "ディスク使用率が高い", "\u202etxet", "<script>alert(1)</script>", "x" * 5000]
    bridge.notify(*(alert({"alertname": name, "instance": f"web-{i}:1"}) for i, name in enumerate(names)))
    bridge.wait_for("/api/v1/decisions", "decisions", len(names), decision="no_match")
    text = page(bridge)
    for name in names[:3]:
        assert f"<bdi>{name}</bdi>" in text, "isolated, so that no name turns the line around"
    assert "&lt;script&gt;" in text
    assert "<script" not in text
    assert "x" * 201 not in text


def test_what_has_become_of_a_run_is_said(bridge: Served) -> None:
    bridge.notify(alert({"alertname": "Down", "instance": "web-1:1"}))
    (run,) = bridge.wait_for("/api/v1/runs", "runs", 1, outcome="unverified")
    firing = page(bridge).partition("<h2>Firing")[2].partition("<h2>")[0]
    assert f'<a href="/api/v1/runs/{run["id"]}">run {run["id"]}</a> <b class="unverified">unverified</b>' in firing
    bridge.notify(alert({"alertname": "Down", "instance": "web-1:1"}, status="resolved"))
    over = page(bridge).partition("<h2>Lately over")[2]
    assert "Alertmanager says that the alert is resolved" in over


def test_a_great_deal_is_cut_and_says_so(bridge: Served) -> None:
    bridge.notify(*(alert({"alertname": "Off", "instance": f"web-{number}:1"}) for number in range(1000)))
    text = page(bridge)
    assert "Firing: the latest 200 of 1000" in text
    assert len(text) < 200_000


class Loads(HTMLParser):
    """Collects what a page would load or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, str, str | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "script":
            self.found.append((tag, "", None))
        self.found += [(tag, n, v) for n, v in attrs if n in ("src", "srcset", "data") or n.startswith("on")]
        self.found += [
            (tag, n, v) for n, v in attrs if n == "href" and (tag == "link" or not (v or "").startswith("/"))
        ]


def test_nothing_is_loaded_and_nothing_runs(bridge: Served) -> None:
    answer = bridge.ask("GET", "/")
    loads = Loads()
    loads.feed(answer.text)
    assert loads.found == []
    policy = answer.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'nonce-")
    nonce = policy.partition("'nonce-")[2].partition("'")[0]
    assert f'<style nonce="{nonce}">' in answer.text
    assert nonce not in bridge.ask("GET", "/").text, "another one each time"
    assert answer.headers["Cache-Control"] == "no-store"
