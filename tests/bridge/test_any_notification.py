"""Whatever is notified can be kept, decided and shown: nothing that an alert holds comes back as an error for ever."""

# ruff: noqa: E501 - a configuration is read by its lines

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.decision.intake import Intake
from bridge.decision.payload import parse_notification
from bridge.ledger import decisions, pages
from bridge.ledger.store import Ledger
from tests.bridge.world import alert, notification, policy

TEXTS = st.text(st.characters(codec=None), max_size=8)
NAMES = st.sampled_from(["alertname", "instance", "host", "check", "pattern", "source", "remediation"]) | TEXTS
VALUES = st.sampled_from(["", "Down", "restart", "web-1:9100", "[::1]:1", ":", "a" * 2000, "RemediationFailed"]) | TEXTS
ALERTS = st.builds(
    lambda labels, **keys: alert(**keys) | {"labels": labels},
    st.dictionaries(NAMES, VALUES, max_size=5),
    status=st.sampled_from(["firing", "resolved"]),
    annotations=st.dictionaries(NAMES, TEXTS, max_size=2),
    startsAt=st.sampled_from(
        ["2026-11-21T07:51:48Z", "0001-01-01T00:00:00Z", "9999-12-31T00:00:00Z", "1970-01-01T00:00:00Z"]
    ),
    endsAt=st.sampled_from(["0001-01-01T00:00:00Z", "2026-11-21T08:51:48Z", None]),
    fingerprint=st.sampled_from(["", "a", "b"]),
)
JUNK = st.recursive(
    st.none() | st.floats() | TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=5
)
RULES = policy("""
    remediations:
      - {name: restart, match: 'alertname="Down"', continue: true, steps: [{wait: {duration: 1s}}]}
      - {name: strange, match: 'alertname=~".*"', continue: true, target: "{{ labels.check + 1 }}", steps: [{wait: {duration: 1s}}]}
      - {name: off, match: 'alertname=~".*"', mode: off, host: "{{ labels.a }}", steps: [{wait: {duration: 1s}}]}
    """)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> Any:
    opened = Ledger(f"sqlite:///{tmp_path_factory.mktemp('any') / 'ledger.db'}")
    yield opened
    opened.close()


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.lists(ALERTS | JUNK, max_size=5))
def test_it_is_kept_decided_and_shown(ledger: Ledger, alerts: list[Any]) -> None:
    read = parse_notification(notification(*alerts))
    receipt = ledger.write(lambda connection: Intake(connection, RULES, 1_800_000_000.0).take(read))
    told = receipt.answer()
    assert told["malformed"] == len(read.malformed)
    assert told["accepted"] + told["duplicates"] + told["resolved"] == len(read.alerts)
    with ledger.read() as connection:
        decisions.due(connection, 1_900_000_000.0)
        for page in (pages.run_page, pages.decision_page, pages.episode_page):
            json.dumps(page(connection, limit=20)).encode()


def test_a_whole_body_of_junk_is_bounded_in_the_ledger(tmp_path: Path) -> None:
    opened = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    body = notification(*({"labels": {"x": str(number), "junk": "y" * 100_000}} for number in range(100)))
    opened.write(lambda connection: Intake(connection, RULES, 1.0).take(parse_notification(body)))
    opened.close()
    assert len(body) > 10_000_000
    assert (tmp_path / "ledger.db").stat().st_size < 2_000_000
