"""Whatever a Prometheus or an Alertmanager answers: it is read, or it is said that they do not answer as such do."""

import contextlib
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bridge.decision.facts import Episode
from bridge.peers import alertmanager, silences
from bridge.peers.client import Answer, PeerClient
from bridge.peers.observer import Observer, ObserverError
from bridge.peers.others import Others
from bridge.peers.prometheus import PrometheusObserver
from bridge.peers.standing import ClosedError, Standings
from remedy.demo.ports import free_ports
from tests.bridge.world import policy

NOW = 1_800_000_000.0
EPISODES = [Episode(1, "f", {"alertname": "A", "instance": "x"}, {}, NOW, NOW, NOW)]
TIMES = st.sampled_from(["2026-11-21T07:48:25.249Z", "0001-01-01T00:00:00", "9999-12-31T23:59:59Z", "yesterday"])
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.just(10**400)
    | st.floats()
    | st.text(max_size=3)
    | st.sampled_from(["1e999", "firing", "ok"])
)
ANYTHING = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=2), inner, max_size=2),
    max_leaves=4,
)
CONFIGURATIONS = st.sampled_from(
    [
        "",
        "a: &a [*a]",
        "[" * 1500,
        "global: {external_labels: [1]}",
        "alerting: {alert_relabel_configs: [{action: hashmod, modulus: 0, source_labels: [a], target_label: x}]}",
        "alerting: {alert_relabel_configs: [{regex: [1], target_label: 5, replacement: 7, separator: 1}]}",
        "alerting: {alertmanagers: [{alert_relabel_configs: [{action: labelmap, replacement: 5}]}]}",
    ]
)


def nearly(**right: Any) -> Any:
    """Something with these keys, of which any may be missing or wrong."""
    return st.fixed_dictionaries({}, optional={key: values | ANYTHING for key, values in right.items()}) | (
        st.fixed_dictionaries(right)
    )


LABELS = st.dictionaries(st.sampled_from(["alertname", "instance"]), st.just("x") | ANYTHING, max_size=2)
PAIRS = st.tuples(SCALARS, SCALARS).map(list)
ALERTS = nearly(labels=LABELS, state=st.just("firing"))
RULES = nearly(
    name=st.just("A"), lastEvaluation=TIMES, health=st.just("ok"), alerts=st.lists(ALERTS), query=st.just("up")
)
SERIES = nearly(metric=LABELS, value=PAIRS, values=st.lists(PAIRS))
STATE = nearly(state=st.just("active"), silencedBy=st.just([]), inhibitedBy=st.just([]))
MATCHERS = nearly(name=st.just("a"), value=st.sampled_from(["x", "("]), isRegex=st.booleans())


def success(data: Any) -> Any:
    return data.map(lambda each: {"status": "success", "data": each}) | ANYTHING


ANSWERS = st.fixed_dictionaries(
    {
        "/api/v2/alerts": st.lists(nearly(fingerprint=st.just("f"), labels=LABELS, status=STATE)) | ANYTHING,
        "/api/v2/status": nearly(uptime=TIMES) | ANYTHING,
        "/api/v2/silences": st.lists(nearly(id=SCALARS, status=STATE, matchers=st.lists(MATCHERS))) | ANYTHING,
        "/api/v1/rules": success(nearly(groups=st.lists(nearly(rules=st.lists(RULES))))),
        "/api/v1/alerts": success(nearly(alerts=st.lists(ALERTS))),
        "/api/v1/query": success(
            nearly(resultType=st.sampled_from(["vector", "scalar"]), result=st.lists(SERIES) | PAIRS)
        ),
        "/api/v1/status/config": success(nearly(yaml=CONFIGURATIONS)),
    }
)


class Liar(PeerClient):
    """Answers as hypothesis wants it to, without a network."""

    def __init__(self, answers: Mapping[str, Any], at: float | None) -> None:
        self.base, self._answers, self._at = "http://liar", answers, at

    def ask(self, path: str, _parameters: Mapping[str, str | list[str]], _until: float) -> Answer:
        return Answer(self._answers[path], self._at)

    def time_limit(self) -> float:
        return 0.0


def questions(observer: Observer) -> list[Any]:
    return [
        lambda: observer.rule("A"),
        observer.firing,
        lambda: observer.series("up", {"a": "b"}),
        lambda: observer.query("up"),
    ]


RIGHT: Mapping[str, Any] = {
    "/api/v2/alerts": [],
    "/api/v2/status": {"uptime": "2026-11-21T07:48:25.249Z"},
    "/api/v2/silences": [],
    "/api/v1/rules": {"status": "success", "data": {"groups": []}},
    "/api/v1/alerts": {"status": "success", "data": {"alerts": [{"labels": {"a": "b"}, "state": "firing"}]}},
    "/api/v1/query": {"status": "success", "data": {"resultType": "vector", "result": []}},
    "/api/v1/status/config": {"status": "success", "data": {"yaml": ""}},
}
SCALAR = {"resultType": "scalar", "result": [0, 10**400]}
MODULUS = "alerting: {alert_relabel_configs: [{action: hashmod, modulus: 0, source_labels: [a], target_label: x}]}"


def hold(answers: Mapping[str, Any], at: float | None) -> None:
    """See that every question is answered, or that it is said in words why not."""
    liar = Liar(answers, at)
    for view in (alertmanager.ask(liar, "A", NOW), silences.ask(liar, EPISODES, NOW)):
        assert (view.listings is None) == bool(view.trouble)
    observer = PrometheusObserver(liar, lambda: NOW)
    for question in questions(observer):
        with contextlib.suppress(ObserverError):
            question()
    standings = Standings(observer, [liar], lambda: NOW)
    found = standings.ask(EPISODES)["f"]
    standings.close()
    assert found.asked == 1
    assert (found.prometheus is None) == bool(found.prometheus_error)


@pytest.mark.parametrize(
    ("path", "data"),
    [
        ("/api/v1/alerts", {"alerts": [{"labels": {"a": ["b"]}, "state": "firing"}]}),
        ("/api/v1/query", SCALAR),
        ("/api/v1/status/config", {"yaml": "[" * 1500}),
        ("/api/v1/status/config", {"yaml": MODULUS}),
    ],
    ids=["labels that are none", "a number too large", "nested too deeply", "divided by zero"],
)
def test_an_answer_that_has_been_a_mistake_of_ours(path: str, data: Any) -> None:
    hold({**RIGHT, path: {"status": "success", "data": data}}, None)


@pytest.mark.slow
@settings(deadline=None, suppress_health_check=list(HealthCheck), max_examples=400)
@given(ANSWERS, st.none() | st.floats(0, 4e9))
def test_no_answer_is_a_mistake_of_ours(answers: Mapping[str, Any], at: float | None) -> None:
    hold(answers, at)


def test_a_reload_while_they_are_asked_is_no_mistake() -> None:
    """Who was about to be asked is closed by then, and the new ones are asked instead."""
    urls = [f"http://127.0.0.1:{port}" for port in free_ports(2)]
    first, second = (policy(f"alertmanagers: [{{url: '{url}'}}]").settings for url in urls)
    looked: list[float] = []

    def clock() -> float:
        """Called when the question begins: a reload comes in between."""
        looked.append(NOW)
        if len(looked) == 1:
            others.adopt(second)
        return NOW

    others = Others(first, None, clock)
    assert others.ask(EPISODES)["f"].trouble == f"{urls[1]} did not answer: no connection"
    others.close()
    with pytest.raises(ClosedError):
        others.ask(EPISODES)
