"""Cycles over a real exporter and a real bridge: what begins when, what is counted, who may hold it."""

import json
import logging
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bridge.decision.facts import Episode
from bridge.peers import silences
from bridge.peers.client import PeerClient
from bridge.policy.peer import Peer
from remedy.runner.cycles import Rhythm
from remedy.runner.service import run_to_the_end
from remedy.runner.task import Files
from tests.bridge.durability.process import eventually
from tests.remedy.error_patterns.files import PATTERN, written

MAKE = {"type": "create_missing_dirs", "directories": ["made"]}
QUIET = {"quiet_for": 1, "cooldown_period": 300}


@pytest.fixture(autouse=True)
def logs_as_before():
    yield
    logging.disable(logging.NOTSET)


class World:
    """An application's folder with a log, and `remedy run` over it."""

    def __init__(self, folder, content, extra=None):
        self.file = written(folder, content, extra)
        self.home = self.file.parent.parent
        self.log = self.home / "logs" / "app.log"

    def write(self, *lines):
        with self.log.open("a") as log:
            log.writelines(f"{line}\n" for line in lines)

    def run(self, **rhythm):
        """Return the exit code, and each iteration's counts."""
        counts = []
        task = Files((self.file,), None, None, {}, insecure=True).read()
        task.policy.ledger_file.parent.mkdir(exist_ok=True)
        rhythm = Rhythm(**({"cycles": 1, "iterations": 1, "between_seconds": 0.1, "wait_seconds": 0.1} | rhythm))
        code = run_to_the_end(task, rhythm, lambda each: counts.append(json.loads(each.as_json())))
        return code, counts

    def said(self):
        return (self.home / "logs" / "auto_fix.log").read_text(encoding="utf-8")


def content(*patterns, **config):
    return {"error_patterns": patterns, "auto_fix_config": QUIET | config, "log_paths": ["logs/app.log"]}


def pattern(id_, regex, *actions, auto_fix=True, name="名"):
    return PATTERN | {"id": id_, "name": name, "pattern": regex, "auto_fix": auto_fix, "actions": list(actions)}


def test_the_last_thousand_lines_once_and_each_line_once(tmp_path):
    world = World(tmp_path, content(pattern("broken", "BROKEN", MAKE)))
    world.write("BROKEN", *["fine"] * 1000)
    assert world.run()[1][0]["errors_detected"] == 0, "it lies before the last thousand lines"
    world.write("BROKEN now")
    code, (counts,) = world.run()
    assert (code, counts["errors_detected"], counts["fixes_succeeded"]) == (0, 1, 1)
    assert (counts["last_error_id"], counts["last_error_summary"]) == ("broken", "BROKEN now")
    assert (world.home / "made").is_dir()
    assert world.run() == (
        0,
        [counts | dict.fromkeys(list(counts)[1:5], 0) | {"last_error_id": "", "last_error_summary": ""}],
    )
    for words in (
        "=== 検知サイクル 1 開始 ===",
        "エラー検出: 名 (",
        "修復アクション実行: create_missing_dirs",
        "自動修復完了: broken",
    ):
        assert words in world.said()


def test_a_failed_action_stops_neither_the_next_nor_another_pattern(tmp_path):
    gone = {"type": "fix_permissions", "paths": ["nowhere"], "mode": "755"}
    both = (
        pattern("one", "ONE", gone, MAKE),
        pattern("two", "TWO", {"type": "create_missing_dirs", "directories": ["2"]}),
    )
    world = World(tmp_path, content(*both))
    world.write("ONE and TWO")
    code, (counts,) = world.run()
    assert code == 1
    assert (counts["fixes_attempted"], counts["fixes_succeeded"], counts["fixes_failed"]) == (2, 1, 1)
    assert (world.home / "made").is_dir()
    assert (world.home / "2").is_dir()


def test_a_retry_stays_for_the_next_call_and_a_cooldown_holds_over_it(tmp_path):
    gone = {"type": "fix_permissions", "paths": ["later"], "mode": "0755"}
    world = World(tmp_path, content(pattern("one", "ONE", gone), retry_delay=1))
    world.write("ONE")
    assert world.run()[0] == 1
    due = time.monotonic() + 1
    (world.home / "later").mkdir()
    world.write("ONE")
    eventually(lambda: time.monotonic() > due)
    code, (counts,) = world.run()
    assert (code, counts["fixes_attempted"]) == (0, 1)
    world.write("ONE")
    code, (counts,) = world.run()
    assert (code, counts["fixes_attempted"]) == (1, 0)
    assert "クールダウン期間中: one" in world.said()


def test_as_many_patterns_as_the_file_has_are_fixed_in_one_cycle(tmp_path):
    made = [pattern(f"p{n}", f"P{n}!", {"type": "create_missing_dirs", "directories": [f"d{n}"]}) for n in range(7)]
    world = World(tmp_path, content(*made, quiet_for=2))
    world.write("".join(f"P{n}!" for n in range(7)))
    code, (counts,) = world.run()
    assert (code, counts["fixes_attempted"], counts["fixes_succeeded"]) == (0, 7, 7)
    assert "limited" not in world.said()
    assert all((world.home / f"d{n}").is_dir() for n in range(7))


def test_a_retry_that_is_due_while_others_are_verified_is_of_the_next_call(tmp_path):
    gone = {"type": "fix_permissions", "paths": ["later"], "mode": "0755"}
    world = World(
        tmp_path, content(pattern("one", "ONE", gone), pattern("two", "TWO", MAKE), retry_delay=1, quiet_for=4)
    )
    world.write("ONE and TWO")
    (world.home / "logs" / "auto_fix.log").touch()

    def mend():
        eventually(lambda: "自動修復失敗: one" in world.said())
        (world.home / "later").mkdir()

    mending = threading.Thread(target=mend)
    mending.start()
    code, (counts,) = world.run()
    mending.join()
    assert (code, counts["fixes_succeeded"], counts["fixes_failed"]) == (1, 1, 1)
    code, (counts,) = world.run()
    assert (code, counts["errors_detected"], counts["fixes_attempted"]) == (0, 0, 0)
    assert counts["fixes_succeeded"] == 1, "begun by one call, proven in the next"
    assert "自動修復完了: one" in world.said()


def test_what_nothing_allows_is_not_said_to_want_no_fix(tmp_path):
    world = World(tmp_path, content(pattern("one", "ONE", {"type": "service_restart", "service": "web"})))
    world.write("ONE")
    assert world.run()[0] == 1
    assert "自動修復無効: one (disabled: none of the actions of one is allowed and known" in world.said()


def test_without_auto_fix_it_tells_people_and_something_is_left(tmp_path):
    world = World(tmp_path, content(pattern("tls", "TLS", {"type": "alert"}, auto_fix=False)))
    world.write("TLS")
    code, (counts,) = world.run()
    assert (code, counts["errors_detected"], counts["fixes_attempted"]) == (1, 1, 0)
    told = [json.loads(line) for line in (world.home / "logs" / "alerts.log").read_text().splitlines()]
    assert [set(each) for each in told] == [{"timestamp", "severity", "message", "action", "description"}]


def test_lines_of_the_pause_are_found_by_the_next_iteration(tmp_path):
    world = World(tmp_path, content(pattern("broken", "BROKEN", MAKE)))
    later = threading.Timer(2.0, lambda: world.write("BROKEN"))
    world.write("fine")
    later.start()
    code, counts = world.run(cycles=2, iterations=2, wait_seconds=4)
    later.join()
    assert [each["errors_detected"] for each in counts] == [0, 1]
    assert code == 0


class _Alertmanager(BaseHTTPRequestHandler):
    """Has one silence for each of several ways to write a matcher."""

    def do_GET(self):
        silenced = [
            self._silence("equal", "pattern", "tls"),
            self._silence("regex", "pattern", "t.*", regex=True),
            self._silence("other", "pattern", "tls", equal=False),
            self._silence("missing", "nothing", ""),
            self._silence("over", "pattern", "tls", state="expired"),
        ]
        body = json.dumps(silenced if self.path == "/api/v2/silences" else []).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _silence(self, id_, name, value, *, regex=False, equal=True, state="active"):
        matchers = [{"name": name, "value": value, "isRegex": regex, "isEqual": equal}]
        return {"id": id_, "status": {"state": state}, "matchers": matchers}

    def log_message(self, *args):
        pass


@pytest.fixture
def alertmanager():
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Alertmanager)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_silences_are_matched_here(alertmanager):
    client = PeerClient(Peer.model_validate({"url": alertmanager}))
    episodes = [Episode(1, "a", {"pattern": "tls"}, {}, 0, 0, 0), Episode(2, "b", {"pattern": "disk"}, {}, 0, 0, 0)]
    listings = silences.ask(client, episodes, 0.0).listings
    client.close()
    assert listings["a"].silenced_by == ("equal", "regex", "missing")
    assert listings["b"].silenced_by == ("other", "missing")


def test_a_silence_of_an_alertmanager_holds(tmp_path, alertmanager):
    extra = f"alertmanagers: [{{url: '{alertmanager}'}}]\n"
    world = World(tmp_path, content(pattern("tls", "TLS", MAKE)), extra)
    world.write("TLS")
    code, (counts,) = world.run()
    assert (code, counts["errors_detected"], counts["fixes_attempted"]) == (1, 1, 0)
    assert "サイレンス中: tls" in world.said()
    assert "there are no silences" not in world.said()


def test_what_is_not_as_the_file_has_it_is_said(tmp_path):
    world = World(tmp_path, content(pattern("tls", "TLS", MAKE)), f"logs: {{directory: {tmp_path}/other}}\n")
    world.run()
    assert "`logs:` is for `remedy bridge`" in world.said()
    assert "there are no silences without alertmanagers" in world.said()
    assert not (tmp_path / "other").exists()
