"""The checks' metrics, made anew at every scrape from how the checks stand. Names and labels are contract."""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.metrics_core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from exporters.checks.base import Status
from exporters.schedule import Standing


class CheckMetrics(Collector):
    """What `standings` says, as metrics. A check that has not run yet has no samples: absence is not health."""

    def __init__(self, standings: Callable[[], Mapping[str, Standing]]) -> None:
        self._standings = standings

    def collect(self) -> Iterator[Metric]:
        """Yield the families; runs no check."""
        return check_families(self._standings().values())

    def describe(self) -> Iterable[Metric]:
        """Yield the families without samples."""
        return check_families([])


def check_families(standings: Iterable[Standing]) -> Iterator[Metric]:
    """Yield the metrics of these checks."""
    success = GaugeMetricFamily(
        "healthcheck_success",
        "1 if the check's last finished run found it healthy, else 0.",
        labels=["check", "kind", "critical"],
    )
    duration = GaugeMetricFamily(
        "healthcheck_duration_seconds", "How long the check's last finished run took.", labels=["check"]
    )
    failures = GaugeMetricFamily(
        "healthcheck_consecutive_failures", "Failed runs of the check in a row, up to now.", labels=["check"]
    )
    value = GaugeMetricFamily(
        "healthcheck_value", "The number that the check's last finished run found.", labels=["check", "unit"]
    )
    threshold = GaugeMetricFamily(
        "healthcheck_threshold", "What the check's value is held against.", labels=["check", "unit"]
    )
    last_run = GaugeMetricFamily(
        "healthcheck_last_run_timestamp_seconds",
        "When the check's last finished run started, in unix time.",
        labels=["check"],
    )
    for standing in standings:
        check, run = standing.check, standing.last
        if run is None:
            continue
        result = run.result
        critical = "true" if check.critical else "false"
        success.add_metric([check.name, check.kind, critical], float(result.status is Status.HEALTHY))
        duration.add_metric([check.name], run.seconds)
        failures.add_metric([check.name], standing.failures)
        last_run.add_metric([check.name], run.started_at)
        for number in result.numbers:
            value.add_metric([check.name, number.unit], number.value)
            if number.threshold is not None:
                threshold.add_metric([check.name, number.unit], number.threshold)
    yield from (success, duration, failures, value, threshold, last_run)
