"""The checks' metrics, from how the checks stand. Names and labels are contract."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporters.checks.base import Status
from exporters.schedule import Standing

_FAMILIES = {
    "healthcheck_success": "1 if the check's last finished run found it healthy, else 0.",
    "healthcheck_duration_seconds": "How long the check's last finished run took.",
    "healthcheck_consecutive_failures": "Failed runs of the check in a row, up to now.",
    "healthcheck_value": "The number that the check's last finished run found.",
    "healthcheck_threshold": "What the check's value is held against.",
    "healthcheck_last_run_timestamp_seconds": "When the check's last finished run started, in unix time.",
}
_Samples = Mapping[str, list[Sample]]
"""By the name of their family."""


class CheckMetrics(Collector):
    """What `standings` says, as metrics. A check that has not run yet has no samples: absence is not health."""

    def __init__(self, standings: Callable[[], Mapping[str, Standing]]) -> None:
        self._standings = standings
        self._made: dict[str, tuple[Standing, _Samples]] = {}
        """Of the last scrape: what stands as it did then is not made again."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families; runs no check."""
        before, made = self._made, dict[str, tuple[Standing, _Samples]]()
        for name, standing in self._standings().items():
            old = before.get(name)
            made[name] = old if old is not None and old[0] is standing else (standing, _samples(standing))
        self._made = made
        return _families(samples for _, samples in made.values())

    def describe(self) -> Iterable[Metric]:
        """Yield the families without samples."""
        return _families([])


def check_families(standings: Iterable[Standing]) -> Iterator[Metric]:
    """Yield the metrics of these checks."""
    return _families(map(_samples, standings))


def _families(made: Iterable[_Samples]) -> Iterator[Metric]:
    families = {name: GaugeMetricFamily(name, help_) for name, help_ in _FAMILIES.items()}
    for each in made:
        for name, samples in each.items():
            families[name].samples.extend(samples)
    return iter(families.values())


def _samples(standing: Standing) -> _Samples:
    check, run = standing.check, standing.last
    if run is None:
        return {}
    name, result = {"check": check.name}, run.result
    critical = "true" if check.critical else "false"
    labels = {**name, "kind": check.kind, "critical": critical}
    one = {
        "healthcheck_success": Sample("healthcheck_success", labels, float(result.status is Status.HEALTHY)),
        "healthcheck_duration_seconds": Sample("healthcheck_duration_seconds", name, run.seconds),
        "healthcheck_consecutive_failures": Sample("healthcheck_consecutive_failures", name, standing.failures),
        "healthcheck_last_run_timestamp_seconds": Sample(
            "healthcheck_last_run_timestamp_seconds", name, run.started_at
        ),
    }
    values = [Sample("healthcheck_value", {**name, "unit": each.unit}, each.value) for each in result.numbers]
    thresholds = [
        Sample("healthcheck_threshold", {**name, "unit": each.unit}, each.threshold)
        for each in result.numbers
        if each.threshold is not None
    ]
    several = {"healthcheck_value": values, "healthcheck_threshold": thresholds}
    return {family: [sample] for family, sample in one.items()} | several
