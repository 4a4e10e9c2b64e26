"""What the timeline shows: each thing once, at the time that its source recorded."""

import io

import pytest
import requests
from rich.console import Console

from remedy.demo.people import People
from remedy.demo.ports import free_ports
from remedy.demo.timeline import Timeline
from remedy.demo.watch.bridge import BridgeWatch
from remedy.demo.watch.exporter import ExporterWatch
from remedy.demo.watch.people import PeopleWatch
from remedy.demo.watch.prometheus import PrometheusWatch
from remedy.demo.watch.sighting import Mood, Sighting, Stage, moment


def texts(sightings):
    return [sighting.text for sighting in sightings]


def metrics(failures=0, lines=0, at=1000.0):
    return f"""
# TYPE healthcheck_consecutive_failures gauge
healthcheck_consecutive_failures{{check="web"}} {failures}
# TYPE healthcheck_last_run_timestamp_seconds gauge
healthcheck_last_run_timestamp_seconds{{check="web"}} {at}
# TYPE log_pattern_matches_total counter
log_pattern_matches_total{{pattern="disk_full",severity="critical",source="app"}} {lines}
"""


@pytest.mark.parametrize(
    ("pages", "seen"),
    [
        ([metrics(0), metrics(0)], []),
        ([metrics(0), metrics(1)], ["web fails, 1 in a row"]),
        ([metrics(0), metrics(1), metrics(1)], ["web fails, 1 in a row"]),
        ([metrics(0), metrics(2), metrics(3), metrics(4)], ["web fails, 2 in a row", "web fails, 3 in a row"]),
        ([metrics(4), metrics(9), metrics(0)], ["web is healthy again"]),
        ([metrics(3), None, metrics(0)], ["web fails, 3 in a row", "web is healthy again"]),
        ([metrics(lines=7), metrics(lines=7)], []),
        ([metrics(lines=7), metrics(lines=8), metrics(lines=9)], ["a line of app.log matches disk_full"]),
    ],
)
def test_the_exporters_metrics(pages, seen):
    pages = iter(pages)
    watch = ExporterWatch(lambda: next(pages))
    found = [sighting for _ in range(pages.__length_hint__()) for sighting in watch.look()]
    assert texts(found) == seen
    assert {sighting.at for sighting in found if sighting.stage is Stage.CHECK} <= {1000.0}


def alerts(*alerts):
    return {"data": {"alerts": [{"labels": labels, "state": state, "activeAt": at} for labels, state, at in alerts]}}


def test_alerts_of_prometheus():
    down = {"alertname": "HealthCheckFailing", "check": "web", "instance": "a:1"}
    answers = iter(
        [
            alerts((down, "pending", "2026-11-21T10:00:00Z")),
            alerts((down, "firing", "2026-11-21T10:00:00.25Z")),
            alerts((down, "firing", "2026-11-21T10:00:00.25Z")),
            None,
            alerts(),
        ]
    )
    watch = PrometheusWatch(lambda: next(answers))
    found = [sighting for _ in range(5) for sighting in watch.look()]
    assert texts(found) == ["HealthCheckFailing fires (check web)", "HealthCheckFailing has gone"]
    assert found[0].at == moment("2026-11-21T10:00:00.25Z", 0)


def test_the_bridges_record():
    episode = {"fingerprint": "f", "starts_at": 1.0, "labels": {"alertname": "HealthCheckFailing"}}
    told = {**episode, "received_at": 10.0}
    held = {
        "at": 11.0,
        "episode": episode,
        "remediation": "r",
        "decision": "silenced",
        "reason": "by s1",
        "run_id": None,
    }
    run = {**held, "at": 12.0, "decision": "run", "reason": "every gate is open", "run_id": 5}
    step = {"action": "service_restart", "outcome": "succeeded", "reason": "started", "ended_at": 13.0}
    going = {"id": 5, "outcome": None, "reason": "", "steps": [{**step, "outcome": None}], "ended_at": None}
    fixed = {**going, "outcome": "fixed", "reason": "the check passes again", "steps": [step], "ended_at": 14.0}
    record = {"episodes": [], "decisions": [], "runs": []}
    watch = BridgeWatch(lambda what: record[what])
    states = [
        {"episodes": [told], "decisions": [held], "runs": []},
        {"episodes": [told], "decisions": [{**held, "at": 11.5}], "runs": []},
        {"episodes": [told], "decisions": [run], "runs": [going]},
        {"episodes": [], "decisions": [], "runs": []},
        {"episodes": [told], "decisions": [run], "runs": [fixed]},
        {"episodes": [told], "decisions": [run], "runs": [fixed]},
    ]
    found = []
    for state in states:
        record.update(state)
        found += watch.look()
    assert [(sighting.at, sighting.stage.value, sighting.text) for sighting in found] == [
        (10.0, "notification", "the bridge is told of HealthCheckFailing"),
        (11.0, "decision", "silenced r: by s1"),
        (12.0, "decision", "run r: every gate is open"),
        (13.0, "step", "service_restart succeeded: started"),
        (14.0, "verified", "fixed: the check passes again"),
    ]
    assert found[-1].mood is Mood.GOOD


def test_what_the_bridge_had_written_before_is_no_news():
    old = {"fingerprint": "f", "starts_at": 1.0, "labels": {}, "received_at": 2.0}
    watch = BridgeWatch(lambda what: [old] if what == "episodes" else [])
    assert watch.look() == []


def test_people_are_seen_to_be_told_once():
    body = {"alerts": [{"status": "firing", "labels": {"alertname": "A"}}, {"status": "resolved", "labels": {}}]}
    with People(*free_ports(1)) as people:
        watch = PeopleWatch(people)
        requests.post(f"{people.url}/people", json=body, timeout=5).raise_for_status()
        requests.post(f"{people.url}/bridge", json={"title": "r gave up"}, timeout=5).raise_for_status()
        assert [page.receiver for page in people.pages] == ["people", "bridge"]
        assert texts(watch.look()) == ["people are told of A", "people are told of r gave up"]
        assert watch.look() == []


@pytest.mark.parametrize(
    ("stamp", "expected"),
    [
        (3.5, 3.5),
        (3, 3.0),
        ("1970-01-01T00:00:02Z", 2.0),
        ("1970-01-01T00:00:00.123456789Z", 0.123456),
        (None, 9.0),
        ("", 9.0),
    ],
)
def test_moments(stamp, expected):
    assert moment(stamp, 9.0) == pytest.approx(expected, abs=1e-6)


def test_the_timeline_counts_seconds_from_the_failure_and_orders_by_time():
    out = io.StringIO()
    with Timeline(Console(file=out, width=40, highlight=False)) as timeline:
        timeline.wait_for("never shown where there is no terminal")
        timeline.begin("It breaks.", 100.0)
        late, early = Sighting(104.26, Stage.ALERT, "[late] " + 60 * "x"), Sighting(101.0, Stage.CHECK, "early")
        timeline.show([late, early])
        timeline.show([Sighting(99.9, Stage.SERVICE, "its clock is behind")])
    lines = out.getvalue().splitlines()
    assert lines[:3] == ["", "It breaks.", "    1.0 s  check         early"]
    assert lines[3] == f"    4.3 s  alert         [late] {60 * 'x'}"
    assert lines[4].startswith("    0.0 s")
    assert "\x1b" not in out.getvalue()


def test_a_failure_after_a_time_of_quiet_begins_a_new_count():
    out = io.StringIO()
    with Timeline(Console(file=out, highlight=False)) as timeline:
        timeline.begin("It breaks.", 100.0)
        timeline.show([Sighting(130.0, Stage.VERIFIED, "told after a long wait")])
        timeline.end()
        timeline.show([Sighting(140.0, Stage.SERVICE, "soon after"), Sighting(200.0, Stage.SERVICE, "much later")])
    assert [float(line[:7]) for line in out.getvalue().splitlines() if " s  " in line] == [30.0, 40.0, 0.0]
