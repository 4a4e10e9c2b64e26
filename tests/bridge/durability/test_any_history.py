"""Whatever happens, and in whatever order: what never may be, and what always must be.

Notifications, copies, old ones, silences, pauses, crashes at every write, and time. Hypothesis looks for the order.
"""

import contextlib
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from bridge.decision import by_hand, operators
from bridge.decision.gates import Verdict
from bridge.decision.payload import fingerprint
from bridge.ledger import controls
from bridge.ledger import decisions as decisions_
from bridge.ledger import runs as runs_
from bridge.ledger.decisions import PENDING
from bridge.ledger.episodes import BY_HAND as BY_HAND_SENDER
from bridge.ledger.schema import decisions, episodes, runs
from tests.bridge.durability.bridge_world import Killed, World
from tests.bridge.world import alert

COOLDOWN, WINDOW, HOSTS, AT_ONCE = 300, 600, 2, 2
CONFIGURATION = f"""
    limits: {{concurrent: {AT_ONCE}, runs_per_hour: 8, targets: {{max: {HOSTS}, window: {WINDOW}s}}}}
    alertmanagers: [{{url: "http://127.0.0.1:1"}}]
    notifiers: {{record: {{kind: log}}}}
    defaults: {{cooldown: {COOLDOWN}s, max_retries: 1, retry_delay: 60s, flapping: {{times: 4, within: 1h}}}}
    remediations:
      - name: down
        match: ['alertname="Down"']
        steps: [{{wait: {{duration: 1ms}}}}, {{wait: {{duration: 1ms}}}}]
        verify: none
        escalate: [{{after_attempts: 2, to: [record]}}]
      - name: slow
        match: ['alertname="Slow"']
        mode: approve
        approve_within: 20m
        steps: [{{wait: {{duration: 1ms}}}}]
        verify: none
"""
LABELS = [
    {"alertname": name, "instance": f"web-{host}:9100", "check": check}
    for name, host, check in (
        ("Down", 1, "a"),
        ("Down", 1, "b"),
        ("Down", 2, "a"),
        ("Down", 3, "a"),
        ("Down", 4, "a"),
        ("Slow", 1, "a"),
        ("Slow", 2, "a"),
    )
]
FINAL = {Verdict.RESOLVED, Verdict.NO_MATCH, Verdict.DISABLED, Verdict.NO_TARGET, Verdict.DENIED, Verdict.RUN}
ENDED = "ended"
BY_HAND = episodes.c.sender.startswith(BY_HAND_SENDER)
IN_MEMORY = Path("/dev/shm")
"""Nothing here depends on what a disk does, and nearly all of the time would be spent on it."""
some_alert = st.sampled_from(LABELS)


class AnyHistory(RuleBasedStateMachine):
    """One bridge, one Alertmanager, one careless operator."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory(
            prefix="remedy-history-", dir=IN_MEMORY if IN_MEMORY.is_dir() else None
        )
        self.world = World(Path(self.folder.name), CONFIGURATION)
        self.starts: dict[str, float] = {}
        """When each alert began that fires now."""
        self.sent: list[tuple[dict[str, str], float]] = []
        self.seen = 0
        self.begun: dict[int, float] = {}
        self.resets: dict[str, float] = {}

    @rule(labels=some_alert, acted_on=st.booleans())
    def fires(self, labels, acted_on) -> None:
        """A new alert, or one that fires already: then it is the same notification again."""
        known = fingerprint(labels) in self.starts
        starts_at = self.starts.setdefault(fingerprint(labels), self.world.now)
        self.world.fire(labels, starts_at)
        self.sent.append((labels, starts_at))
        if not known:
            assert self.unclosed(labels) == 1, "a real alert was dropped"
        if acted_on:
            self.world.settle(2)
            self.check_touches()

    @rule(labels=some_alert, lives=st.integers(0, 1), after=st.booleans())
    def is_killed_while_it_is_told(self, labels, lives, after) -> None:
        """Alertmanager does not know whether that was heard, so it says it again."""
        starts_at = self.starts.setdefault(fingerprint(labels), self.world.now)
        self.world.ledger.lives, self.world.ledger.after = lives, after
        with contextlib.suppress(Killed):
            self.world.fire(labels, starts_at)
        self.world.end()
        self.world.begin()
        self.world.fire(labels, starts_at)
        self.sent.append((labels, starts_at))
        assert self.unclosed(labels) == 1, "a real alert was dropped"

    @precondition(lambda self: self.sent)
    @rule(data=st.data())
    def an_old_notification_comes_again(self, data) -> None:
        labels, starts_at = data.draw(st.sampled_from(self.sent))
        open_before = self.unclosed(labels)
        self.world.notify(alert(labels, starts_at=starts_at))
        assert open_before <= self.unclosed(labels) <= 1

    @precondition(lambda self: self.starts)
    @rule(data=st.data(), told=st.booleans())
    def is_over(self, data, told) -> None:
        labels = data.draw(st.sampled_from([each for each in LABELS if fingerprint(each) in self.starts]))
        starts_at = self.starts.pop(fingerprint(labels))
        self.world.advance(1)
        if told:
            self.world.resolve(labels, starts_at)
            assert self.unclosed(labels) == 0
        else:
            self.world.active.discard(fingerprint(labels))

    @precondition(lambda self: self.starts)
    @rule(data=st.data(), seconds=st.sampled_from([2, 100, 310]))
    def comes_back(self, data, seconds) -> None:
        """It is fixed, so it seems, and then it fires again."""
        labels = data.draw(st.sampled_from([each for each in LABELS if fingerprint(each) in self.starts]))
        self.world.settle(2)
        self.world.resolve(labels, self.starts.pop(fingerprint(labels)))
        self.world.advance(seconds)
        self.fires(labels, acted_on=True)

    @rule(labels=some_alert, silent=st.sampled_from([True, False, False]))
    def silence_or_not(self, labels, silent) -> None:
        (self.world.silenced.add if silent else self.world.silenced.discard)(fingerprint(labels))

    @rule(answers=st.sampled_from([True, True, True, False]))
    def alertmanager_goes_or_comes(self, answers) -> None:
        self.world.answers = answers

    @rule(name=st.sampled_from(["", "down", "slow"]), minutes=st.sampled_from([None, 1, 3]))
    def pause(self, name, minutes) -> None:
        now = self.world.now
        until = None if minutes is None else now + 60 * minutes
        self.world.write(lambda c: controls.set_pause(c, name, "a change", until, now))

    @rule(name=st.sampled_from(["", "down", "slow"]))
    def resume(self, name) -> None:
        def work(connection):
            decisions_.wake(connection, [Verdict.PAUSED], self.world.now)
            controls.clear_pause(connection, name)

        self.world.write(work)

    @rule()
    def reset_breaker(self) -> None:
        """A person has looked: what was touched before counts no more."""
        self.world.advance(0.01)
        now = self.world.now
        for name in self.world.write(lambda c: operators.reset_breaker(c, None, now)):
            self.resets[name] = now
        self.world.advance(0.01)

    @rule(name=st.sampled_from(["down", "slow"]), host=st.integers(1, 4))
    def somebody_runs_it_by_hand(self, name, host) -> None:
        """It passes the gates at once, or never; whoever asks has approved it."""
        labels = {"instance": f"web-{host}:9100", "check": "a"}
        wish = by_hand.wish(self.world.policy.named(name), f"web-{host}/a", labels, "ann")
        self.world.write(lambda c: by_hand.ask(c, wish, self.world.now))

    @rule()
    def approve_all(self) -> None:
        for row in self.world.rows(runs, runs.c.state == "awaiting_approval"):
            self.world.write(lambda c, row=row: runs_.approve(c, row.id, self.world.now))

    @rule(seconds=st.sampled_from([0.5, 5, 16, 61, 301, 700]))
    def time_passes(self, seconds) -> None:
        self.world.advance(seconds)

    @rule()
    def steps_fail_or_not(self) -> None:
        self.world.hand.fails = not self.world.hand.fails

    @rule(rounds=st.integers(1, 3))
    def decide(self, rounds) -> None:
        for _ in range(rounds):
            self.world.round()

    @rule(jobs=st.integers(1, 3))
    def work(self, jobs) -> None:
        for _ in range(min(jobs, len(self.world.workers.waiting))):
            self.world.workers.work_one()
            self.check_touches()

    @rule(lives=st.integers(0, 6), after=st.booleans())
    def is_killed_while_it_works(self, lives, after) -> None:
        """At any write: the step's begin or end, the attempt's, the verification's, a decision's."""
        self.world.ledger.lives, self.world.ledger.after = lives, after
        try:
            self.world.round()
            self.world.work()
        except Killed:
            pass
        self.check_touches()
        self.world.end()
        self.world.begin()

    @invariant()
    def every_firing_episode_has_one_current_verdict(self) -> None:
        if not hasattr(self, "world"):
            return
        current = self.world.rows(decisions, decisions.c.current, decisions.c.episode_id.is_not(None))
        per_episode = Counter((row.episode_id, row.remediation) for row in current)
        assert max(per_episode.values(), default=1) == 1
        having = {row.episode_id for row in current}
        state = {row.id: row.state for row in self.world.rows(runs)}
        for episode in self.world.rows(episodes, episodes.c.state != "closed"):
            assert episode.id in having, f"episode {episode.id} ({episode.state}) has no verdict"
        over = {row.id for row in self.world.rows(episodes, BY_HAND, episodes.c.state == "closed")}
        for row in current:
            if row.episode_id in over:
                assert row.due_at is None, "by hand it is now or never"
                continue
            works = row.run_id is not None and state[row.run_id] != ENDED
            held = row.due_at is not None
            assert works or held or row.decision in FINAL, f"{row.decision} is neither at work, nor held, nor final"

    @invariant()
    def no_episode_has_two_runs_of_one_remediation(self) -> None:
        if hasattr(self, "world"):
            made = Counter((row.episode_id, row.remediation) for row in self.world.rows(runs))
            assert max(made.values(), default=1) == 1

    @invariant()
    def hosts_and_slots_are_never_shared(self) -> None:
        if not hasattr(self, "world"):
            return
        busy = [row for row in self.world.rows(runs, runs.c.state != ENDED) if row.slot_at is not None]
        assert max(Counter(row.host for row in busy).values(), default=1) == 1
        assert sum(row.state in ("queued", "running", "verifying") for row in busy) <= AT_ONCE

    @invariant()
    def what_a_reason_no_longer_holds_is_due(self) -> None:
        if not hasattr(self, "world"):
            return
        busy = {r.host for r in self.world.rows(runs, runs.c.state != ENDED) if r.slot_at is not None}
        for row in self.world.rows(decisions, decisions.c.current, decisions.c.due_at > self.world.now):
            assert row.decision != Verdict.TARGET_BUSY or row.host in busy
            assert row.due_at <= self.world.now + max(COOLDOWN, 1200)

    def check_touches(self) -> None:
        """Look at each step that was really begun since the last look."""
        new = self.world.hand.touches[self.seen :]
        self.seen += len(new)
        ends = self.world.rows(runs, runs.c.started_at.is_not(None))
        touched = {touch.run for touch in self.world.hand.touches}
        for name in ("down", "slow"):
            reset = self.resets.get(name, 0)
            mine = [r for r in ends if r.remediation == name and r.id in touched]
            begun = [(r.slot_at, r.host) for r in mine if r.slot_at > reset]
            for moment, _ in begun:
                hosts = {host for at, host in begun if 0 <= moment - at < WINDOW}
                assert len(hosts) <= HOSTS, f"{hosts} within {WINDOW} s"
        for touch in new:
            if touch.run in self.begun:
                continue
            self.begun[touch.run] = touch.at
            before = [r.ended_at for r in ends if (r.remediation, r.target) == (touch.remediation, touch.target)]
            for end in before:
                assert end is None or end >= touch.at or touch.at >= end + COOLDOWN, "within the cooldown"
        twice = Counter((t.run) for t in self.world.hand.touches)
        assert max(twice.values(), default=0) <= 2 * 2, "steps were repeated after a crash"

    def unclosed(self, labels) -> int:
        which = (episodes.c.fingerprint == fingerprint(labels), episodes.c.state != "closed")
        return len(self.world.rows(episodes, *which))

    def teardown(self) -> None:
        """In the end, with nothing in the way, everything that fires is acted on."""
        if not hasattr(self, "world"):
            return
        try:
            self.nothing_is_in_the_way()
            for _ in range(80):
                self.world.settle(2)
                self.approve_all()
                self.reset_breaker()
                self.world.advance(61)
                self.is_repeated()
            self.check_touches()
            by_hand_ = {row.id for row in self.world.rows(episodes, BY_HAND)}
            assert not self.world.rows(episodes, BY_HAND, episodes.c.state != "closed"), "a wish was forgotten"
            for row in self.world.rows(decisions, decisions.c.current):
                assert row.decision in FINAL or row.episode_id in by_hand_ or row.decision == Verdict.FLAPPING, (
                    row.decision
                )
                assert row.decision != PENDING
            for labels in LABELS:
                assert (self.unclosed(labels) == 1) == (fingerprint(labels) in self.starts), "something was lost"
        finally:
            self.world.end()
            self.folder.cleanup()

    def is_repeated(self) -> None:
        """Where nobody is asked, only a later copy shows that what came with an old start is no old news."""
        for labels in LABELS if self.world.asks_nobody else ():
            if fingerprint(labels) in self.starts:
                self.world.fire(labels, self.starts[fingerprint(labels)])

    def nothing_is_in_the_way(self) -> None:
        self.world.answers = True
        self.world.silenced.clear()
        for name in ("", "down", "slow"):
            self.resume(name)


class MoreHistories(AnyHistory):
    """The same, for longer."""


def at_most(histories: int, steps: int) -> settings:
    return settings(
        max_examples=histories, stateful_step_count=steps, deadline=None, suppress_health_check=list(HealthCheck)
    )


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = at_most(12, 40)
TestMoreHistories = pytest.mark.slow(pytest.mark.timeout(1800)(MoreHistories.TestCase))
TestMoreHistories.settings = at_most(200, 60)
