"""Which remediations an alert gets, and for which host and target."""

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.decision.gates import Verdict, choose
from bridge.decision.own_alerts import MACHINERY
from bridge.policy.remediation import DEFAULT_HOST, route
from tests.bridge.world import DOWN, episode, policy

WAIT = "steps: [{wait: {duration: 1s}}]"
POLICY = policy(f"""
    remediations:
      - {{name: first, match: ['alertname="A"'], {WAIT}}}
      - {{name: goes-on, match: ['alertname="B"'], continue: true, {WAIT}}}
      - {{name: goes-on-too, match: ['alertname=~"A|B|C"'], continue: true, {WAIT}}}
      - {{name: last, match: 'alertname=~"A|B"', {WAIT}}}
      - {{name: never-after-last, match: 'alertname="B"', {WAIT}}}
    """)
ROUTES = [
    ({"alertname": "A"}, ["first"]),
    ({"alertname": "B"}, ["goes-on", "goes-on-too", "last"]),
    ({"alertname": "C"}, ["goes-on-too"]),
    ({"alertname": "D"}, []),
    ({}, []),
    ({"alertname": "A", "remediation": "last"}, ["last"]),
    ({"alertname": "C", "remediation": "last"}, ["goes-on-too"]),
    ({"alertname": "A", "remediation": "nobody"}, ["first"]),
    ({"alertname": "D", "remediation": "first"}, []),
    ({"alertname": "A", "remediation": ""}, ["first"]),
]


@pytest.mark.parametrize(("labels", "names"), ROUTES)
def test_the_first_that_matches_and_more_while_each_goes_on(labels: dict[str, str], names: list[str]) -> None:
    assert [remediation.name for remediation in route(POLICY.remediations, labels)] == names


def test_who_gets_none_is_told_what_each_wanted() -> None:
    chosen, refusal = choose(episode({"alertname": "D"}), POLICY)
    assert chosen == []
    assert refusal.verdict is Verdict.NO_MATCH
    assert refusal.due is None
    assert refusal.reason.startswith('no remediation matches: first wants alertname="A"; goes-on wants alertname="B"')


def test_of_many_remediations_the_reason_names_some() -> None:
    many = policy("remediations:\n" + "".join(f"  - {{name: r{i}, match: 'a=\"{i}\"', {WAIT}}}\n" for i in range(8)))
    assert choose(episode({"a": "x"}), many)[1].reason.endswith('r4 wants a="4" and 3 more')


def test_with_no_remediation_at_all_the_reason_says_so() -> None:
    assert choose(episode(), policy("{}"))[1].reason == "no remediation matches: none is configured"


@pytest.mark.parametrize("name", sorted(MACHINERY))
def test_what_the_bridge_raises_itself_never_routes_back(name: str) -> None:
    everything = policy(f"remediations: [{{name: all, match: 'alertname=~\".*\"', {WAIT}}}]")
    chosen, refusal = choose(episode({"alertname": name, "remediation": "all", "instance": "x"}), everything)
    assert chosen == []
    assert refusal.verdict is Verdict.OWN_ALERT


PLACES = [
    ({"instance": "web-1:9100"}, "", "web-1", "web-1"),
    ({"instance": "web-1:9100", "host": "db"}, "", "db", "db"),
    ({"instance": "web-1:9100", "host": ""}, "", "web-1", "web-1"),
    ({"instance": "web-1:9100", "check": "disk"}, "", "web-1", "web-1/disk"),
    ({"instance": "web-1:9100", "pattern": "oom", "source": "app"}, "", "web-1", "web-1/oom/app"),
    ({"instance": "web-1:9100", "check": "disk", "pattern": "oom"}, "", "web-1", "web-1/disk"),
    ({}, "", "", ""),
    ({"instance": ":9100"}, "", "", ""),
    ({"instance": "web-1:9100"}, "target: '{{ labels.mountpoint }}'", "web-1", ""),
    ({"instance": "web-1:9100", "mountpoint": "/data"}, "target: '{{ labels.mountpoint }}'", "web-1", "/data"),
    ({"zone": "eu"}, "host: 'gw-{{ labels.zone }}'", "gw-eu", "gw-eu"),
    ({}, "host: 'gw-{{ labels.zone }}'", "", ""),
    ({"zone": " "}, "host: '{{ labels.zone }}'", "", ""),
    ({}, "host: gw", "gw", "gw"),
    ({"instance": "web\n1"}, "", "", ""),
    ({"instance": "a" * 65536}, "", "", ""),
    ({"instance": "web-1", "check": "a\0b"}, "", "web-1", ""),
    ({"instance": "web-1", "check": "a" * 65536}, "", "web-1", ""),
    ({"instance": "web-1"}, "host: '{{ labels.instance + 1 }}'", "", ""),
]


@pytest.mark.parametrize(("labels", "keys", "host", "target"), PLACES, ids=range(len(PLACES)))
def test_where_a_fix_runs_and_what_it_is_about(labels: dict[str, str], keys: str, host: str, target: str) -> None:
    """What is missing, or is nothing that can be shown to people, is empty: and empty refuses."""
    extra = f"    {keys}\n" if keys else ""
    (remediation,) = policy(f"remediations:\n  - name: r\n    match: 'a=~\".*\"'\n    {WAIT}\n{extra}").remediations
    assert remediation.host_for(labels) == host
    assert remediation.target_for(labels, host) == target


PIECES = st.lists(
    st.sampled_from(["web", " ", ":9100", "[::1]", "\n", "\u200b", "é", "a" * 1024, "{{ 1 }}"]), max_size=3
).map("".join)


@given(st.dictionaries(st.sampled_from(["host", "instance"]), PIECES | st.text(max_size=5)))
@example({"host": "", "instance": "web-1:9100"})
def test_the_default_host_is_found_without_its_template_as_with_it(labels: dict[str, str]) -> None:
    remediation = POLICY.remediations[0]
    assert remediation.host == DEFAULT_HOST
    spelled_out = replace(remediation, host=DEFAULT_HOST.replace("{{", "{{ "))
    assert remediation.host_for(labels) == spelled_out.host_for(labels)


def test_a_step_is_filled_from_labels_and_checked_by_its_own_fields() -> None:
    text = "remediations: [{name: r, match: 'a=~\".*\"', steps: [{wait: {duration: '{{ labels.for }}'}}]}]"
    (step,) = policy(text).remediations[0].steps
    assert step.fill({**DOWN, "for": "5s"}).duration.total_seconds() == 5
    for wrong in ({"for": "soon"}, {}, {"for": "5\ns"}):
        with pytest.raises(ValueError, match=r"is not a duration|has no label|control"):
            step.fill(wrong)
