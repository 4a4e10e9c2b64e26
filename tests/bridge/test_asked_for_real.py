"""What is asked of a real Prometheus and a real Alertmanager, and that absence alone never proves a fix."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bridge.decision.facts import Episode, History, Standing
from bridge.decision.gates import Case, Verdict, decide
from bridge.peers.alertmanager import YOUNG_SECONDS
from bridge.peers.client import PeerClient
from bridge.peers.standing import Standings
from bridge.verify.alert_clears_within import AlertClears
from bridge.verify.base import Evidence, Finding, Scene
from bridge.verify.query import Query
from tests.bridge.real_stack import Watched, alertmanager, watched
from tests.bridge.world import policy
from tests.e2e.waiting import wait_for

RULES = {
    "Broken": "thing_works == 0",
    "Full": "disk_used > 90",
    "HostDown": "host_down == 1",
    "CheckFailing": "label_replace(healthcheck_success, 'check', 'http', '', '') == 0",
}
(ANY,) = policy("remediations: [{name: any, match: 'alertname=~\".*\"', steps: [{wait: {duration: 1s}}]}]").remediations
LIMITS = policy("{}").settings.limits
ANY_AGE = -2.0
"""Seconds; an Alertmanager tells the time in whole ones."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    with watched(tmp_path_factory.mktemp("asked"), RULES) as running:
        yield running


@pytest.fixture
def quiet(stack: Watched) -> Watched:
    """The stack, with nothing wrong."""
    stack.expose(thing_works=1, disk_used=5, host_down=0)
    wait_for(lambda: stack.observer.firing() == [])
    now = time.time()
    wait_for(lambda: [s for s in stack.observer.series("up", {"job": "app"}) if s.value == 1 and s.at > now])
    return stack


@contextmanager
def asking(
    stack: Watched, *more: PeerClient, young: float = YOUNG_SECONDS, prometheus: bool = True
) -> Iterator[Callable[[Episode], Standing]]:
    clients = [stack.alertmanager.client, *more]
    standings = Standings(stack.observer if prometheus else None, clients, time.time, young)
    yield lambda episode: standings.ask([episode])[episode.fingerprint]
    standings.close()


def verdict(episode: Episode, standing: Standing, **history: int) -> Verdict:
    now = time.time()
    case = Case(replace(episode, notified_at=now), ANY, "h", "t", LIMITS, History(**history), standing, now)
    return decide(case).verdict


def test_a_real_alert_that_was_relabelled_on_its_way_is_known_to_both(quiet: Watched) -> None:
    """External labels added, some dropped, one changed, one made of others: see `real_stack`."""
    quiet.expose(thing_works=0)
    episode = quiet.fires("Broken")
    target = quiet.target.url.removeprefix("http://")
    assert {name: value for name, value in episode.labels.items() if name != "shard"} == {
        "alertname": "Broken",
        "cluster": "eu",
        "host": "127.0.0.1",
        "instance": target,
        "severity": "page",
    }
    with asking(quiet) as ask:
        standing = ask(episode)
    assert (standing.prometheus, standing.listed, standing.asked) == (True, True, 1)
    assert verdict(episode, standing) is Verdict.RUN


@pytest.mark.parametrize(
    "extra",
    [
        {"team": "attackers"},
        {"instance": "victim:1"},
        {"host": "victim"},
        {"cluster": "us"},
        {"replica": "a"},
        {"alertname": "Full"},
        {"severity": "critical"},
    ],
)
def test_a_forged_alert_is_listed_but_not_active(quiet: Watched, extra: dict[str, str]) -> None:
    quiet.expose(thing_works=0)
    true = quiet.fires("Broken")
    with quiet.forged({**true.labels, **extra}) as forged, asking(quiet) as ask:
        standing = ask(forged)
    assert (standing.listed, standing.prometheus) == (True, False)
    assert verdict(forged, standing) is Verdict.NOT_FIRING


def test_silenced_and_inhibited_are_seen_at_once(quiet: Watched) -> None:
    quiet.expose(thing_works=0, disk_used=99)
    broken, full = quiet.fires("Broken"), quiet.fires("Full")
    with quiet.silenced(alertname="Broken"), asking(quiet) as ask:
        silenced = wait_for(lambda: (s := ask(broken)).silenced_by and s, within=5)
        assert verdict(broken, silenced) is Verdict.SILENCED
        quiet.expose(disk_used=99, host_down=1)
        quiet.fires("HostDown")
        inhibited = wait_for(lambda: (s := ask(full)).inhibited_by and s, within=5)
        assert verdict(full, inhibited) is Verdict.INHIBITED


def test_several_alertmanagers(quiet: Watched, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Firing if any lists it; gone only if all answered. One that is down is no reason to wait where another knows."""
    quiet.expose(thing_works=0)
    episode = quiet.fires("Broken")
    second = alertmanager(tmp_path_factory.mktemp("second"), "second")
    second.start()
    try:
        with asking(quiet, second.client, young=ANY_AGE) as ask:
            standing = ask(episode)
            assert (standing.listed, standing.asked, standing.answered) == (True, 2, 2)
            second.stop()
            standing = ask(episode)
            assert (standing.listed, standing.answered) == (True, 1)
            assert verdict(episode, standing) is Verdict.RUN
            unknown = replace(episode, fingerprint="0" * 16, labels={**episode.labels, "instance": "unknown"})
            assert not ask(unknown).gone
            assert f"{second.url} did not answer" in ask(unknown).trouble
            second.start()
            with asking(quiet, second.client, young=ANY_AGE, prometheus=False) as ask_two:
                assert ask_two(unknown).gone
    finally:
        second.stop()
        second.client.close()


def test_a_restarted_alertmanager_proves_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    restarted = alertmanager(tmp_path_factory.mktemp("restarted"), "restarted")
    restarted.start()
    episode = Episode(1, "0" * 16, {"alertname": "Broken"}, {}, 0, 0, 0)
    try:
        for young, ahead, gone in ((YOUNG_SECONDS, 0, False), (YOUNG_SECONDS, 86400, False), (ANY_AGE, 0, True)):
            standings = Standings(None, [restarted.client], lambda by=ahead: time.time() + by, young)
            standing = standings.ask([episode])[episode.fingerprint]
            standings.close()
            assert standing.gone is gone
            assert verdict(episode, standing, attempts=1) is Verdict.NOT_FIRING
        assert (
            "has only just started" in Standings(None, [restarted.client], time.time).ask([episode])["0" * 16].trouble
        )
    finally:
        restarted.stop()
        restarted.client.close()


def look(stack: Watched, episode: Episode, since: float, how=None) -> Finding:
    scene = Scene(episode.labels, since, stack.observer, time.time)
    return next((how or AlertClears()).looks(scene))


def watch(stack: Watched, episode: Episode, since: float, *, seconds: float, how=None) -> list[Finding]:
    """Look all the time; return what was found, in order, without repetitions."""
    found: list[Finding] = []
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        finding = look(stack, episode, since, how)
        if not found or found[-1] != finding:
            found.append(finding)
        time.sleep(0.05)
    return found


def test_fixed_is_proven_when_the_series_says_so(quiet: Watched) -> None:
    quiet.expose(thing_works=0)
    episode = quiet.fires("Broken")
    wait_for(lambda: look(quiet, episode, 0).evidence is Evidence.NOT_HEALED)
    quiet.expose(thing_works=1)
    since = time.time()
    finding = wait_for(lambda: (f := look(quiet, episode, since)).evidence is Evidence.HEALED and f)
    assert finding.reason == "the rule was evaluated since, and the alert has cleared"


@pytest.mark.parametrize("what", ["the exporter dies", "the series goes"])
def test_an_alert_that_clears_by_absence_is_never_fixed(quiet: Watched, what: str) -> None:
    """The alert is gone from Prometheus within a second, each time: measured, and seen here."""
    quiet.expose(thing_works=0)
    episode = quiet.fires("Broken")
    since = time.time()
    match what:
        case "the exporter dies":
            quiet.break_target()
        case _:
            quiet.expose(disk_used=5)
    found = watch(quiet, episode, since, seconds=2.5)
    assert quiet.observer.firing() == [], "the alert has cleared"
    assert {finding.evidence for finding in found} <= {Evidence.NOT_HEALED, Evidence.NO_EVIDENCE}
    said = {"the exporter dies": "(up = 0)", "the series goes": "the series thing_works of the alert is gone"}[what]
    assert said in found[-1].reason


def test_a_check_must_have_run_since(quiet: Watched) -> None:
    """The exporter is up and says 1, but its check last ran before the step."""

    def check(success: int, last_run: float) -> None:
        labels = 'check="http",kind="http",critical="true"'
        quiet.expose(
            **{
                f"healthcheck_success{{{labels}}}": success,
                'healthcheck_last_run_timestamp_seconds{check="http"}': last_run,
            }
        )

    check(0, time.time())
    episode = quiet.fires("CheckFailing")
    since = time.time()
    check(1, since - 5)
    wait_for(lambda: quiet.observer.firing() == [])
    stale = watch(quiet, episode, since, seconds=1.5)
    assert stale[-1].reason == "the check http has not run since the last step"
    assert Evidence.HEALED not in {finding.evidence for finding in stale}
    check(1, time.time())
    finding = wait_for(lambda: (f := look(quiet, episode, since)).evidence is Evidence.HEALED and f)
    assert finding.reason == "the check http passes again and the alert has cleared"


def test_a_query_of_ones_own(quiet: Watched) -> None:
    quiet.expose(thing_works=0)
    episode = quiet.fires("Broken")
    since, how = time.time(), Query(query="thing_works == bool 1")
    assert Evidence.HEALED not in {finding.evidence for finding in watch(quiet, episode, since, seconds=0.5, how=how)}
    quiet.expose(thing_works=1)
    wait_for(lambda: look(quiet, episode, since, how).evidence is Evidence.HEALED)
    assert look(quiet, episode, since, Query(query="nothing_there")).evidence is Evidence.NO_EVIDENCE
    for wrong, said in (("sum(", "answered 400"), ("thing_works[1m]", "gives a matrix, not a vector")):
        finding = look(quiet, episode, since, Query(query=wrong))
        assert finding.evidence is Evidence.NO_EVIDENCE
        assert said in finding.reason
    assert look(quiet, episode, since, Query(query="1")).evidence is Evidence.HEALED


def test_a_prometheus_that_is_down_proves_nothing_and_holds(quiet: Watched) -> None:
    quiet.expose(thing_works=0)
    episode = quiet.fires("Broken")
    since = time.time()
    quiet.prometheus.stop()
    try:
        finding = look(quiet, episode, since)
        assert finding.evidence is Evidence.NO_EVIDENCE
        assert finding.reason == f"{quiet.prometheus.url} did not answer: no connection"
        with asking(quiet) as ask:
            standing = ask(episode)
        assert not standing.gone
        assert verdict(episode, standing) is Verdict.NOT_FIRING
    finally:
        quiet.expose(thing_works=1)
        quiet.prometheus.start()
