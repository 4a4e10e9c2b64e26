"""The outbox: what is to be told arrives, is tried again while that can help, and is never lost silently."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from sqlalchemy import select, update

from bridge.decision.payload import parse_notification
from bridge.escalation import levels as escalation
from bridge.escalation.delivery import Delivery
from bridge.ledger import episodes
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.schema import AnyRow, escalations
from bridge.ledger.store import Ledger, LedgerError
from bridge.metrics import Metrics
from bridge.policy.remediation import Policy
from tests.bridge.local_server import Asked, listening, saying
from tests.bridge.world import alert, notification, policy
from tests.e2e.waiting import wait_for


class Outbox:
    """A ledger with messages, and what delivers them by a clock of the test's own."""

    def __init__(self, folder: Path, url: str) -> None:
        self.ledger, self.now = Ledger(f"sqlite:///{folder}/ledger.db"), 1000.0
        self.registry = CollectorRegistry()
        self.policy = self.told_to(url)
        self.delivery = self._made()

    def told_to(self, url: str, *, more: str = "") -> Policy:
        return policy(f"""
            notifiers: {{ops: {{kind: webhook, url: "{url}"{more}}}}}
            remediations:
              - name: restart
                match: 'alertname="Down"'
                steps: [{{wait: {{duration: 1s}}}}]
                runbook_url: https://example.invalid/runbook
                escalate: [{{after_attempts: 1, to: [ops]}}, {{unresolved_for: 1m, to: [ops]}}]
            """)

    def _made(self) -> Delivery:
        self.metrics = getattr(self, "metrics", None) or Metrics(self.registry)
        return Delivery(self.ledger, lambda: self.policy, self.metrics, lambda: self.now)

    def put(self, instance: str = "web-1", when: escalation.When = escalation.at_the_end, what: str = "x") -> None:
        (one,) = parse_notification(notification(alert({"alertname": "Down", "instance": instance}))).alerts

        def work(connection) -> None:
            known = [e for e, _ in episodes.in_state(connection, EpisodeState.OPEN) if e.fingerprint == one.identity]
            (episode,) = known or episodes.add(connection, [(one, EpisodeState.OPEN)], "", self.now)
            remediation = self.policy.remediations[0]
            escalation.escalate(connection, episode, remediation, None, what=what, when=when, now=self.now)

        self.ledger.write(work)
        self.delivery.wake()

    def close(self) -> None:
        """Close every episode."""

        def work(connection) -> None:
            for episode, _ in episodes.in_state(connection, EpisodeState.OPEN):
                episodes.close(connection, episode.id, self.now, self.now, "the alert is resolved")

        self.ledger.write(work)
        self.delivery.wake()

    def rows(self) -> list[AnyRow]:
        with self.ledger.read() as connection:
            return list(connection.execute(select(escalations).order_by(escalations.c.id)))

    def wait(self, **having: object) -> AnyRow:
        """Wait until the first message is like this."""
        return wait_for(
            lambda: next((r for r in self.rows() if all(getattr(r, k) == v for k, v in having.items())), None)
        )

    def advance(self, seconds: float) -> None:
        self.now += seconds
        self.delivery.wake()

    def counted(self, result: str) -> float:
        labels = {"remediation": "restart", "notifier": "ops", "result": result}
        return self.registry.get_sample_value("remediation_escalations_total", labels) or 0

    def restart(self) -> None:
        """End the delivery, and begin another one, as after a restart of the bridge."""
        self.delivery.stop()
        self.delivery = self._made()
        self.delivery.start()


@pytest.fixture
def server() -> Iterator[Asked]:
    with listening() as asked:
        yield asked


@pytest.fixture
def box(tmp_path: Path, server: Asked) -> Iterator[Outbox]:
    made = Outbox(tmp_path, server.url)
    made.delivery.start()
    yield made
    made.delivery.stop()
    made.ledger.close()


def test_a_message_arrives_once_with_its_story(box: Outbox, server: Asked) -> None:
    box.put()
    row = box.wait(state="delivered")
    assert (row.tries, row.due_at, row.error) == (0, None, None)
    box.advance(3600)
    box.put("web-2")
    server.wait_for(2)
    sent = [json.loads(body) for _, _, body in server.requests]
    assert [each["labels"]["instance"] for each in sent] == ["web-1", "web-2"]
    assert sent[0]["title"] == "Down on web-1: restart: x"
    assert sent[0]["runbook_url"] == "https://example.invalid/runbook"
    assert sent[0]["dedup_key"] != sent[1]["dedup_key"]
    wait_for(lambda: box.counted("delivered") == 2)


def test_what_may_work_later_is_tried_again_after_longer_and_longer_waits(box: Outbox, server: Asked) -> None:
    server.reply = saying(503)
    box.put()
    for tries, wait in enumerate((5, 10, 20, 40), start=1):
        row = box.wait(tries=tries)
        assert (row.state, row.due_at - box.now) == ("pending", wait)
        assert "503" in row.error
        box.advance(wait - 1)
        assert len(server.requests) == tries, "not before its time"
        box.advance(1)
    server.wait_for(5)
    server.reply = saying(200)
    box.wait(tries=5)
    box.advance(80)
    row = box.wait(state="delivered")
    assert row.error is None
    assert box.counted("failed") == 5


def test_a_server_is_left_in_peace_for_as_long_as_it_asks(box: Outbox, server: Asked) -> None:
    server.reply = saying(429, **{"Retry-After": "300"})
    box.put()
    row = box.wait(tries=1)
    assert (row.state, row.due_at - box.now) == ("pending", 300)
    server.reply = saying(200)
    box.advance(300)
    box.wait(state="delivered")


def test_in_the_end_it_is_dead_and_counted_and_kept(box: Outbox, server: Asked) -> None:
    server.reply = saying(500)
    box.put()
    for tries in range(1, 10):
        row = box.wait(tries=tries, state="pending")
        assert row.due_at - box.now <= 600
        box.advance(600)
    row = box.wait(state="dead")
    assert (row.tries, row.due_at) == (10, None)
    assert "500" in row.error
    wait_for(lambda: box.counted("dead") == 1)


@pytest.mark.parametrize("status", [401, 404])
def test_what_only_a_person_can_mend_is_dead_at_once(box: Outbox, server: Asked, status: int) -> None:
    server.reply = saying(status)
    box.put()
    row = box.wait(state="dead")
    assert (row.tries, str(status) in row.error) == (1, True)
    box.advance(3600)
    box.put("web-2")
    server.wait_for(2)
    assert len(server.requests) == 2


def test_nobody_there_is_tried_again_after_a_restart_too(box: Outbox, server: Asked) -> None:
    box.policy = box.told_to("http://127.0.0.1:9/")
    box.put()
    assert box.wait(tries=1).state == "pending"
    box.policy = box.told_to(server.url)
    box.restart()
    box.advance(5)
    box.wait(state="delivered")


def test_a_notifier_that_is_gone_from_the_configuration_is_said(box: Outbox) -> None:
    box.policy = policy("{}")
    box.delivery.stop()
    box.policy, empty = box.told_to("http://127.0.0.1:9/"), box.policy
    box.put()
    box.policy = empty
    box.delivery = box._made()
    box.delivery.start()
    assert box.wait(state="dead").error == "the notifier 'ops' is no longer configured"


def test_a_mistake_in_a_notifier_is_a_failed_delivery_and_not_the_end(
    box: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    notifier = type(box.policy.notifiers["ops"])

    def broken(*_: object) -> None:
        raise ZeroDivisionError("hunter2")

    monkeypatch.setattr(notifier, "deliver", broken)
    box.put()
    assert box.wait(state="dead").error == "the notifier failed with ZeroDivisionError"
    monkeypatch.undo()
    box.put("web-2")
    box.wait(state="delivered")


def test_one_that_hangs_does_not_hold_up_the_ledger(box: Outbox, server: Asked) -> None:
    let_go = threading.Event()

    def hanging(handler: BaseHTTPRequestHandler, body: bytes) -> None:
        let_go.wait(10)
        saying(200)(handler, body)

    server.reply = hanging
    box.put()
    server.wait_for(1)
    box.put("web-2")
    assert [row.state for row in box.rows()] == ["pending", "pending"]
    let_go.set()
    wait_for(lambda: [row.state for row in box.rows()] == ["delivered", "delivered"])


def test_many_are_delivered_without_waiting_between_them(box: Outbox, server: Asked) -> None:
    for number in range(20):
        box.put(f"web-{number}")
    server.wait_for(20, within=4)
    wait_for(lambda: {row.state for row in box.rows()} == {"delivered"})


def told(server: Asked) -> list[tuple[str, str]]:
    """Return state and title of what arrived."""
    sent = [json.loads(body) for _, _, body in server.requests]
    return [(each["state"], each["title"]) for each in sent]


def test_those_who_heard_of_it_hear_once_that_it_is_over(box: Outbox, server: Asked) -> None:
    box.put()
    box.wait(state="delivered")
    box.put(when=escalation.unresolved(60))
    wait_for(lambda: [row.state for row in box.rows()] == ["delivered", "delivered"])
    server.reply = saying(503)
    box.close()
    wait_for(lambda: [(row.state, row.tries) for row in box.rows()] == [("over", 0), ("ending", 1)])
    server.reply = saying(200)
    box.advance(5)
    wait_for(lambda: [row.state for row in box.rows()] == ["over", "over"])
    raised, over = ("raised", "Down on web-1: restart: x"), ("resolved", "Down on web-1: restart: over")
    assert told(server) == [raised, raised, over, over], "one try failed"
    last = json.loads(server.requests[-1][2])
    assert last["story"].startswith("It is over: the alert is resolved.")
    assert last["dedup_key"] == json.loads(server.requests[0][2])["dedup_key"]
    assert box.counted("resolved") == 1


def test_what_was_said_first_of_an_episode_arrives_first(box: Outbox, server: Asked) -> None:
    """One message that is tried again later is not overtaken by the next, while other episodes go on."""
    server.reply = saying(503)
    box.put()
    box.wait(tries=1)
    server.reply = saying(200)
    box.put(when=escalation.unresolved(60))
    box.put("web-2")
    server.wait_for(2)
    wait_for(
        lambda: [(row.state, row.tries) for row in box.rows()] == [("pending", 1), ("pending", 0), ("delivered", 0)]
    )
    box.advance(5)
    wait_for(lambda: {row.state for row in box.rows()} == {"delivered"})
    assert [json.loads(body)["labels"]["instance"] for _, _, body in server.requests] == [
        "web-1",
        "web-2",
        "web-1",
        "web-1",
    ]


def test_what_was_said_first_arrives_first_after_a_restart_too(box: Outbox, server: Asked) -> None:
    server.reply = saying(503)
    box.put()
    box.wait(tries=1)
    box.put(when=escalation.unresolved(60), what="later")
    box.delivery.stop()
    server.requests.clear()
    server.reply = saying(200)
    box.now += 3600
    box.delivery = box._made()
    box.delivery.start()
    server.wait_for(2)
    wait_for(lambda: [row.state for row in box.rows()] == ["delivered", "delivered"])
    assert [json.loads(body)["title"] for _, _, body in server.requests] == [row.title for row in box.rows()]


def test_who_never_heard_of_it_does_not_hear_that_it_is_over(box: Outbox, server: Asked) -> None:
    server.reply = saying(404)
    box.put()
    box.wait(state="dead")
    server.reply = saying(200)
    box.close()
    box.put("web-2")
    server.wait_for(2)
    wait_for(lambda: [row.state for row in box.rows()] == ["dead", "delivered"])
    assert told(server)[1:] == [("raised", "Down on web-2: restart: x")]


def test_the_end_is_not_told_when_it_has_begun_again(box: Outbox, server: Asked) -> None:
    box.put()
    box.wait(state="delivered")
    server.reply = saying(503)
    box.close()
    box.wait(state="ending", tries=1)
    box.put()
    wait_for(lambda: [row.tries for row in box.rows()] == [1, 1])
    server.reply = saying(200)
    box.advance(5)
    wait_for(lambda: [row.state for row in box.rows()] == ["over", "delivered"])
    assert [state for state, _ in told(server)] == ["raised", "resolved", "raised", "raised"], "two tries failed"


def test_who_does_not_want_to_hear_of_the_end_does_not(box: Outbox, server: Asked) -> None:
    box.policy = box.told_to(server.url, more=", send_resolved: false")
    box.put()
    box.wait(state="delivered")
    box.close()
    box.wait(state="over")
    assert [state for state, _ in told(server)] == ["raised"]


def test_what_goes_beyond_the_rate_limit_waits_and_is_not_lost(box: Outbox, server: Asked) -> None:
    box.policy = box.told_to(server.url, more=", rate_limit: {max: 2, window: 1m}")
    for number in range(5):
        box.put(f"web-{number}")

    def states() -> str:
        return "".join(row.state[0] for row in box.rows())

    for waiting in ("ddppp", "ddddp", "ddddd"):
        wait_for(lambda waiting=waiting: states() == waiting)
        box.advance(59)
        box.delivery.wake()
        assert states() == waiting
        box.advance(1)


def test_one_that_hangs_does_not_hold_up_another(box: Outbox, server: Asked) -> None:
    let_go = threading.Event()
    with listening() as slow:
        slow.reply = lambda *_: let_go.wait(10)
        more = f'}}, slow: {{kind: webhook, url: "{slow.url}"'
        box.policy = box.told_to(server.url, more=more)
        for number in range(20):
            box.put(f"slow-{number}")
            box.ledger.write(lambda connection: connection.execute(update(escalations).values(notifier="slow")))
        slow.wait_for(1)
        box.put("web-1")
        server.wait_for(1)
        let_go.set()
        box.delivery.stop()


def test_a_notifier_for_which_there_was_no_thread_is_told_as_soon_as_there_is(
    tmp_path: Path, server: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was once left out for ever."""
    start, refused = threading.Thread.start, threading.Event()

    def perhaps(thread: threading.Thread) -> None:
        if thread.name.startswith("notify") and not refused.is_set():
            refused.set()
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", perhaps)
    box = Outbox(tmp_path, server.url)
    box.put()
    box.delivery.start()
    try:
        assert refused.wait(10)
        wait_for(lambda: box.delivery.wake() or [row.state for row in box.rows()] == ["delivered"])
        assert len(told(server)) == 1
    finally:
        box.delivery.stop()
        box.ledger.close()


def test_that_it_is_over_is_told_after_all_that_was_still_to_be_told(box: Outbox, server: Asked) -> None:
    """It was once told between the levels, and again after the last one."""
    box.put()
    box.wait(state="delivered")
    server.reply = saying(503)
    box.put(when=escalation.unresolved(60))
    wait_for(lambda: [row.tries for row in box.rows()] == [0, 1])
    box.close()
    box.delivery.wake()
    server.reply = saying(200)
    wait_for(lambda: box.advance(1) or [row.state for row in box.rows()] == ["over", "over"])
    assert [state for state, _ in told(server)] == ["raised", "raised", "raised", "resolved"], "one try failed"


@pytest.mark.parametrize("trouble", ["its rate limit", "a ledger that cannot be written"])
def test_what_it_may_not_or_cannot_do_now_is_not_tried_again_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trouble: str
) -> None:
    """It looked a hundred times a second, and told people again each time where it could not note that it had."""
    with listening() as asked:
        outbox = Outbox(tmp_path, asked.url)
        outbox.policy = outbox.told_to(asked.url, more=", rate_limit: {max: 1, window: 1h}")
        tried, looks, second = threading.Event(), 0, threading.Event()

        def look_again(self: Delivery) -> None:
            nonlocal looks
            looks += 1
            (second if looks > 1 else tried).set()
            look(self)

        def refuse(_work: object) -> None:
            raise LedgerError("database or disk is full")

        look = Delivery._look
        monkeypatch.setattr(Delivery, "_look", look_again)
        for host in ("web-1", "web-2"):
            outbox.put(host)
        if trouble != "its rate limit":
            monkeypatch.setattr(outbox.ledger, "write", refuse)
        outbox.delivery._wake.clear()
        outbox.delivery.start()
        try:
            assert tried.wait(10)
            wait_for(lambda: asked.requests and not outbox.delivery._busy)
            assert not second.wait(0.5)
            assert len(asked.requests) == 1
        finally:
            outbox.delivery.stop()
            outbox.ledger.close()
