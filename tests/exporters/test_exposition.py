"""Our text is that of prometheus-client, byte by byte, in both formats."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Gauge
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporters.exposition import Exposition

VALUES = st.floats() | st.integers(0, 10**12).map(float)
LABELS = st.text(st.characters(codec="utf-8"), max_size=6) | st.sampled_from(['"', "\\", "\n", 'a"b\\n'])
ACCEPTS = [
    "",
    "text/plain;version=0.0.4",
    "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,text/plain;version=1.0.0;q=0.4",
]


class Given(Collector):
    """Metrics that are already made."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> list[Metric]:
        return self._families


@pytest.mark.parametrize("accept", ACCEPTS)
@given(st.dictionaries(st.tuples(LABELS, LABELS), VALUES, max_size=4), st.lists(LABELS, max_size=3), VALUES)
def test_it_is_the_librarys(accept: str, gauges: dict[tuple[str, str], float], counted: list[str], bare: float) -> None:
    registered = GaugeMetricFamily("some_gauge", 'Of "these" \\ and\nthose.', labels=["zone", "area"])
    for labels, value in gauges.items():
        registered.add_metric(labels, value)
    counter = CounterMetricFamily("some_things", "Counted.", labels=["thing"])
    for each in counted:
        counter.add_metric([each], 2)
    registry = CollectorRegistry()
    registry.register(Given([registered, counter]))
    Gauge("bare", "Without labels.", registry=registry).set(bare)
    encode, content_type = choose_encoder(accept)
    exposition = Exposition(registry)
    for _ in range(2):
        assert exposition.text(accept) == (encode(registry), content_type)


def test_what_changes_is_written_anew() -> None:
    registry, given_ = CollectorRegistry(), Given([])
    registry.register(given_)
    exposition = Exposition(registry)
    kept = GaugeMetricFamily("kept", "Kept.", labels=["place"])
    kept.add_metric(["here"], 1)
    for value in range(20):
        changed = GaugeMetricFamily("changed", "Changed.", labels=["place"])
        changed.add_metric(["here"], value)
        given_._families = [kept, changed]
        lines = exposition.text("")[0].decode().splitlines()
        assert [line for line in lines if not line.startswith("#")] == [
            'kept{place="here"} 1.0',
            f'changed{{place="here"}} {value}.0',
        ]
