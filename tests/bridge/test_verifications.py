"""The other proofs (quiet logs, a probe, a query, none), and how long is looked for any of them."""

import itertools
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from bridge.peers.observer import NobodyToAskError, ObserverError, Sample
from bridge.run.verification import _looks, prove, suitable
from bridge.verify import probe
from bridge.verify.alert_clears_within import AlertClears
from bridge.verify.base import Evidence, Finding, Scene, Verification
from bridge.verify.none import NoVerification
from bridge.verify.probe import Probe
from bridge.verify.query import Query
from bridge.verify.quiet_for import QuietFor
from remedy.demo.ports import free_ports
from tests.bridge.dribbling import SLOW, dribbling
from tests.bridge.watched_world import NEWER, OLDER, World, never

HEALED, NOT_HEALED, NO_EVIDENCE, UNPROVABLE = Evidence
LINES = {"pattern": "disk_full", "source": "app"}


class Log:
    """An exporter that follows a log, seen through Prometheus once a second."""

    def __init__(self) -> None:
        self.world, self.at, self.lines, self.errors, self.behind, self.up = World(), NEWER, 3.0, 0.0, 0.0, 1.0
        self.looks = self.world.looks(QuietFor(), **LINES)

    def after(self, seconds: float) -> Finding:
        """Let time go by, scrape, look."""
        self.at += seconds
        self.world.set("up", self.up, self.at)
        if self.up:
            self.world.set("log_pattern_matches_total", self.lines, self.at, **LINES)
            self.world.set("log_source_lag_bytes", self.behind, self.at, source="app")
            self.world.set("log_source_errors_total", self.errors, self.at, source="app")
        return next(self.looks)


def test_no_new_line_for_a_minute_is_healed() -> None:
    log = Log()
    assert log.after(0).evidence is NOT_HEALED
    assert log.after(59).reason == "quiet for 59 s of 1m"
    finding = log.after(1)
    assert (finding.evidence, finding.reason) == (HEALED, "no new matching line for 1m")


def test_a_new_line_starts_the_quiet_anew() -> None:
    log = Log()
    log.after(0)
    log.lines += 1
    assert log.after(59).reason == "quiet for 0 s of 1m"
    assert log.after(59).evidence is NOT_HEALED
    assert log.after(1).evidence is HEALED


def test_a_restarted_exporter_starts_the_quiet_anew() -> None:
    log = Log()
    log.after(0)
    log.lines = 0
    assert log.after(60).reason == "quiet for 0 s of 1m"


def test_a_log_that_is_not_read_to_its_end_is_not_quiet() -> None:
    log = Log()
    log.behind = 4096
    for _ in range(3):
        finding = log.after(60)
        assert (finding.evidence, finding.reason) == (NO_EVIDENCE, "the exporter has not read the log to its end yet")


def test_a_log_that_cannot_be_read_is_not_quiet() -> None:
    log = Log()
    log.after(0)
    for _ in range(3):
        log.errors += 1
        finding = log.after(60)
        assert (finding.evidence, finding.reason) == (NO_EVIDENCE, "the exporter cannot read the log")
    assert log.after(59).evidence is NOT_HEALED
    assert log.after(1).evidence is HEALED


def test_a_dead_exporter_is_not_quiet() -> None:
    log = Log()
    log.after(0)
    log.up = 0
    for _ in range(3):
        finding = log.after(60)
        assert (finding.evidence, finding.reason[-8:]) == (NO_EVIDENCE, "(up = 0)")


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ("log_pattern_matches_total", "nothing counts the pattern 'disk_full'"),
        ("log_source_lag_bytes", "the exporter has not read the log to its end yet"),
    ],
)
def test_what_is_not_counted_is_not_quiet(metric: str, reason: str) -> None:
    log = Log()
    log.after(60)
    log.world.samples[metric] = []
    finding = next(log.looks)
    assert (finding.evidence, finding.reason) == (NO_EVIDENCE, reason)


def test_a_counter_from_before_the_last_step_says_nothing() -> None:
    log = Log()
    log.after(0)
    log.world.set("log_pattern_matches_total", 3, OLDER, **LINES)
    assert next(log.looks).reason == "the counter was not in the last scrape"


@pytest.mark.parametrize(
    ("samples", "evidence"),
    [
        ([], NO_EVIDENCE),
        ([Sample({}, 1, OLDER)], NO_EVIDENCE),
        ([Sample({}, 1, NEWER)], HEALED),
        ([Sample({}, 0, NEWER)], NOT_HEALED),
        ([Sample({}, 5, NEWER), Sample({}, 0, NEWER)], NOT_HEALED),
        ([Sample({}, float("nan"), NEWER)], NO_EVIDENCE),
        ([Sample({}, -1, NEWER)], HEALED),
    ],
)
def test_a_query_passes_with_a_sample_and_none_that_is_0(samples: list[Sample], evidence: Evidence) -> None:
    world = World(answers=samples)
    world.set("up", 1)
    assert world.look(Query(query="x")).evidence is evidence


def test_a_query_counts_only_once_the_target_was_scraped_since() -> None:
    """An evaluation uses samples of up to five minutes ago, whatever time it says."""
    world = World(answers=[Sample({}, 1, NEWER)])
    world.set("up", 1, OLDER)
    assert world.look(Query(query="x")).evidence is NO_EVIDENCE
    world.set("up", 0, NEWER)
    assert world.look(Query(query="x")).evidence is HEALED, "whether it is up is the query's matter"
    world.samples.clear()
    assert world.look(Query(query="x")).evidence is HEALED, "an alert without a target"
    assert world.look(Query(query="x"), job="", instance="").evidence is HEALED


@pytest.mark.parametrize(
    ("error", "evidence"), [(ObserverError("down"), NO_EVIDENCE), (NobodyToAskError("nobody"), UNPROVABLE)]
)
@pytest.mark.parametrize("how", [Query(query="x"), QuietFor()], ids=["query", "quiet_for"])
def test_who_does_not_answer_proves_nothing(how: Verification, error: ObserverError, evidence: Evidence) -> None:
    assert World(broken=error).look(how, **LINES).evidence is evidence


class Answer(BaseHTTPRequestHandler):
    """Answers what the server was told to."""

    def do_GET(self) -> None:
        status, body = self.server.answer
        self.server.headers_seen = dict(self.headers)
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Location", "http://127.0.0.1:9/")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def probed() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


PROBES = [
    (200, b"", HEALED),
    (200, b"ok", HEALED),
    (200, b"# HELP probe_success x\nprobe_success 1\n", HEALED),
    (200, b"probe_success 0\n", NOT_HEALED),
    (200, b"# TYPE probe_success gauge\nprobe_success 0\nother 1\n", NOT_HEALED),
    (200, b'healthcheck_success{check="a",critical="true",kind="http"} 1.0\n', HEALED),
    (200, b'healthcheck_success{check="a",critical="true",kind="http"} 0.0\n', NOT_HEALED),
    (200, b'x 1\nhealthcheck_success{check="a} 1"} 0.0 1700000000\ny 1\n', NOT_HEALED),
    (200, b"probe_success 0.5\nprobe_success_total 0\n", HEALED),
    (204, b"", NOT_HEALED),
    (302, b"", NOT_HEALED),
    (404, b"there is no check 'x'", NOT_HEALED),
    (503, b"probe_success 1\n", NOT_HEALED),
]


@pytest.mark.parametrize(("status", "body", "evidence"), PROBES)
def test_a_probe(probed: ThreadingHTTPServer, status: int, body: bytes, evidence: Evidence) -> None:
    probed.answer = (status, body)
    url = f"http://127.0.0.1:{probed.server_port}/probe?check=x"
    assert World().look(Probe(probe=url)).evidence is evidence
    assert "X-Prometheus-Scrape-Timeout-Seconds" in probed.headers_seen


def test_a_probe_that_nobody_answers_is_not_healed() -> None:
    finding = World().look(Probe(probe=f"http://127.0.0.1:{free_ports(1)[0]}/"))
    assert (finding.evidence, finding.reason) == (NOT_HEALED, "the probe failed: ConnectionError")


@pytest.mark.parametrize("how", SLOW.values(), ids=SLOW)
def test_a_probe_that_answers_a_byte_at_a_time_is_not_healed_in_time(
    monkeypatch: pytest.MonkeyPatch, how: tuple[bytes, bytes, float]
) -> None:
    monkeypatch.setattr(probe, "_TIMEOUT_SECONDS", 0.3)
    with dribbling(how) as url:
        began = time.monotonic()
        finding = World().look(Probe(probe=url))
        assert (finding.evidence, time.monotonic() - began < 3) == (NOT_HEALED, True)


def test_none_proves_nothing_ever() -> None:
    proof = prove(NoVerification(), World().scene(), never())
    assert (proof.evidence, proof.reason) == (UNPROVABLE, "the remediation says verify: none")


@pytest.mark.parametrize(
    ("labels", "kind"),
    [
        (LINES, QuietFor),
        ({"check": "http"}, AlertClears),
        ({"pattern": "x"}, AlertClears),
        ({"pattern": "x", "source": ""}, AlertClears),
        ({}, AlertClears),
    ],
)
def test_where_none_is_chosen_the_alert_says_which(labels: dict, kind: type) -> None:
    assert type(suitable(World().scene(**labels))) is kind


class Scripted(Verification):
    """Finds what it is told, the last one for ever."""

    script: tuple[Evidence, ...]
    within: timedelta = timedelta(seconds=0.3)

    def time_limit(self) -> timedelta:
        return self.within

    def looks(self, scene: Scene) -> Iterator[Finding]:
        for i, evidence in enumerate(self.script):
            yield Finding(evidence, f"look {i}")
        while True:
            yield Finding(self.script[-1], "the last")


STABLE = timedelta(seconds=0.4)
PROOFS = {
    "at once": (Scripted(script=(HEALED,)), HEALED),
    "in the end": (Scripted(script=(NOT_HEALED, HEALED), within=timedelta(seconds=5)), HEALED),
    "never": (Scripted(script=(NOT_HEALED,)), NOT_HEALED),
    "nothing is known": (Scripted(script=(NO_EVIDENCE,)), NO_EVIDENCE),
    "hopeless at once, however long it may take": (
        Scripted(script=(UNPROVABLE,), within=timedelta(hours=1)),
        UNPROVABLE,
    ),
    "healed but not for long enough": (Scripted(script=(HEALED, NOT_HEALED), stable_for=STABLE), NOT_HEALED),
    "healed, then nothing is known": (Scripted(script=(HEALED, NO_EVIDENCE), stable_for=STABLE), NO_EVIDENCE),
    "stable beyond the time to clear": (Scripted(script=(HEALED,), stable_for=STABLE), HEALED),
}


@pytest.mark.parametrize(("how", "evidence"), PROOFS.values(), ids=PROOFS)
def test_it_is_looked_at_until_there_is_proof_or_the_time_is_up(how: Scripted, evidence: Evidence) -> None:
    assert prove(how, World().scene(), never()).evidence is evidence


def test_a_bridge_that_stops_leaves_it_open() -> None:
    stopping = never()
    threading.Timer(0.1, stopping.set).start()
    assert prove(Scripted(script=(NOT_HEALED,), within=timedelta(hours=1)), World().scene(), stopping) is None


@pytest.mark.parametrize(("forward", "evidence"), [(0, HEALED), (3600, NO_EVIDENCE)])
def test_a_clock_that_is_put_forward_makes_no_old_evidence_new(forward: float, evidence: Evidence) -> None:
    """By the new time the series was scraped a moment after the step's old time, which is an hour before its end."""
    world, jumped = World(), 0.0
    scene = replace(world.scene(), now=lambda: time.monotonic() + jumped)

    def look() -> Iterator[Evidence]:
        nonlocal jumped
        for finding in _looks(Query(query="x", within=timedelta(0)), scene):
            yield finding.evidence
            world.answers = [Sample({}, 1.0, NEWER)]
            jumped = forward

    first, second = itertools.islice(look(), 2)
    assert (first, second) == (NO_EVIDENCE, evidence)
