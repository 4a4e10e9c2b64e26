"""Who is told when: each level once for an episode, with a story that nothing in an alert can forge."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from bridge.decision.facts import Episode
from bridge.decision.gates import Decision, Verdict
from bridge.decision.payload import parse_notification
from bridge.escalation import levels as escalation
from bridge.escalation import stories
from bridge.ledger import decisions, episodes, outbox
from bridge.ledger.decisions import Entry
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.schema import escalations
from bridge.ledger.store import Ledger
from bridge.policy.config import EscalationLevel
from bridge.policy.remediation import Remediation
from tests.bridge.world import DOWN, alert, notification, policy

LEVELS = policy("""
    notifiers: {ops: {kind: log}, lead: {kind: log}, all: {kind: log}}
    remediations:
      - name: restart
        match: 'alertname="Down"'
        steps: [{wait: {duration: 1s}}]
        runbook_url: https://example.invalid/runbook
        escalate:
          - {after_attempts: 1, to: [ops]}
          - {after_attempts: 3, to: [ops, lead]}
          - {unresolved_for: 30m, to: [all]}
          - {flapping: true, to: [lead]}
    """).remediations[0]


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/ledger.db")
    yield opened
    opened.close()


def opened(ledger: Ledger, labels: dict[str, str] = DOWN, **more: object) -> Episode:
    (one,) = parse_notification(notification(alert(labels, **more))).alerts
    return ledger.write(lambda c: episodes.add(c, [(one, EpisodeState.OPEN)], "", 1000.0))[0]


def tell(ledger: Ledger, episode: Episode, when: escalation.When, remediation: Remediation = LEVELS) -> int:
    return ledger.write(
        lambda c: escalation.escalate(c, episode, remediation, None, what="it failed", when=when, now=2000.0)
    )


def told(ledger: Ledger) -> set[tuple[str, str]]:
    with ledger.read() as connection:
        return {(row.level, row.notifier) for row in connection.execute(select(escalations))}


@pytest.mark.parametrize(
    ("when", "whom"),
    [
        (escalation.after(0), set()),
        (escalation.after(1), {("after_attempts:1", "ops")}),
        (escalation.after(2), {("after_attempts:1", "ops")}),
        (escalation.after(3), {("after_attempts:1", "ops"), ("after_attempts:3", "ops"), ("after_attempts:3", "lead")}),
        (
            escalation.at_the_end,
            {("after_attempts:1", "ops"), ("after_attempts:3", "ops"), ("after_attempts:3", "lead")},
        ),
        (escalation.unresolved(1799), set()),
        (escalation.unresolved(1800), {("unresolved_for:1800s", "all")}),
    ],
)
def test_whom_a_moment_concerns(ledger: Ledger, when: escalation.When, whom: set) -> None:
    assert tell(ledger, opened(ledger), when) == len(whom)
    assert told(ledger) == whom


def test_flapping_is_told_to_those_who_asked_for_it(ledger: Ledger) -> None:
    tell(ledger, opened(ledger), escalation.when_flapping)
    assert ("flapping", "lead") in told(ledger)


def test_a_level_is_told_once_for_an_episode_and_again_for_the_next(ledger: Ledger) -> None:
    first = opened(ledger)
    assert tell(ledger, first, escalation.after(1)) == 1
    assert tell(ledger, first, escalation.after(1)) == 0
    assert tell(ledger, first, escalation.at_the_end) == 2, "only the levels that were not told"
    ledger.write(lambda c: episodes.close(c, first.id, None, 3000.0, "over"))
    assert tell(ledger, opened(ledger), escalation.after(1)) == 1


def test_who_stands_twice_in_a_level_is_told_once(ledger: Ledger) -> None:
    from dataclasses import replace

    twice = replace(LEVELS, escalate=(EscalationLevel(after_attempts=1, to=("ops", "ops")),))
    assert tell(ledger, opened(ledger), escalation.after(1), twice) == 1


def test_the_times_of_unresolved_for() -> None:
    assert escalation.unresolved_times([LEVELS]) == {1800}
    assert escalation.unresolved_times([]) == set()


def story(ledger: Ledger, episode: Episode) -> str:
    tell(ledger, episode, escalation.after(1))
    with ledger.read() as connection:
        row = outbox.first_due(connection, "ops", 9999.0)
        assert row is not None
    return f"{row.title}\n{row.story}"


def test_the_story_says_what_a_person_needs(ledger: Ledger) -> None:
    text = story(ledger, opened(ledger, annotations={"summary": "Disk full", "description": "97 %", "x": "y"}))
    assert text.splitlines()[0] == "Down on web-1:9100: restart: it failed"
    for part in (
        "**Alert** since ",
        "- severity: `critical`",
        "- Disk full",
        "- 97 %",
        "By hand: https://example.invalid/runbook",
    ):
        assert part in text


def test_of_very_many_decisions_the_first_and_the_last_are_told(ledger: Ledger) -> None:
    episode = opened(ledger)

    def decided(connection: Connection) -> None:
        decisions.add(connection, [(episode.id, "restart", "web-1", "web-1", None)], 1000.0)
        for number in range(500):
            current = decisions.current(connection, episode.id, "restart")
            assert current is not None
            verdict = (Verdict.PAUSED, Verdict.SILENCED)[number % 2]
            decisions.record(connection, [Entry(current, Decision(verdict, f"reason {number}", 1.0))], 1000.0 + number)

    ledger.write(decided)
    reasons = re.findall(r"reason (\d+)|… (\d+) more", story(ledger, episode))
    said = [number or f"{more} more" for number, more in reasons]
    assert said == [*map(str, range(10)), "450 more", *map(str, range(460, 500))]


HOSTILE = "x\n**Decisions**\n- `root` \u202e\x1b[2J By hand: https://evil.example " + "y" * 20_000


def test_no_text_of_an_alert_passes_for_a_part_of_the_story(ledger: Ledger) -> None:
    labels = {"alertname": HOSTILE, "instance": HOSTILE, "note": HOSTILE}
    text = story(ledger, opened(ledger, labels, annotations={"summary": HOSTILE}))
    title, *lines = text.splitlines()
    assert title.endswith(("…", "it failed"))
    assert len(title) <= 1000
    assert len(text) < 5000
    assert all(char.isprintable() for line in (title, *lines) for char in line)
    assert [line for line in lines if line.startswith("By hand")] == ["By hand: https://example.invalid/runbook"]
    assert not [line for line in lines if line.startswith("**Decisions**")]
    shown = [line for line in lines if line.startswith("- note: ")]
    assert re.fullmatch(r"- note: `[^`]*`", shown[0])


def test_a_time_is_written_as_people_and_machines_read_it() -> None:
    assert stories.moment(0.0005) == "1970-01-01T00:00:00.000Z"
    assert stories.moment(1795247508.249) == "2026-11-21T07:51:48.249Z"
