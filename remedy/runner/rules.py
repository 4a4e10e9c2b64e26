"""The alerts that monitoring/alert_rules.yml would raise for checks and log patterns, from the exporter's own metrics.

Labels are those that Prometheus would give, since remediations match on them; a test compares the two.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping

from prometheus_client.samples import Sample

Labels = Mapping[str, str]
Rule = Callable[["Reading"], Iterator[Labels]]
"""Yields the labels of what is active now."""

JOB = "exporter"
"""The job's name in monitoring/prometheus.yml."""
CERTAIN = 3
"""So many failures in a row are no accident."""
PATTERN_SECONDS = 60.0
"""How long LogPatternMatched stays after the last matching line."""


class Reading:
    """The exporter's samples at one moment, and when each log pattern last grew."""

    def __init__(self, samples: Iterable[Sample], now: float, grown: Mapping[tuple[str, str], float]) -> None:
        self.now, self._grown = now, grown
        self._samples: dict[str, list[Sample]] = {}
        for sample in samples:
            self._samples.setdefault(sample.name, []).append(sample)

    def samples(self, metric: str) -> list[Sample]:
        """Return the samples of a metric."""
        return self._samples.get(metric, [])

    def matched(self, sample: Sample) -> bool:
        """Tell whether a log pattern's counter grew within the last minute."""
        last = self._grown.get((sample.labels["pattern"], sample.labels["source"]))
        return last is not None and self.now - last < PATTERN_SECONDS


def failing(name: str, times: int, severity: str) -> Rule:
    """Make the rule for a check that has failed so often in a row."""

    def rule(reading: Reading) -> Iterator[Labels]:
        for sample in reading.samples("healthcheck_consecutive_failures"):
            if sample.value >= times:
                yield {"alertname": name, "severity": severity, **sample.labels}

    return rule


def process_gone(reading: Reading) -> Iterator[Labels]:
    """Find checks that see no process any more: nothing to wait for."""
    failed = {s.labels["check"] for s in reading.samples("healthcheck_success") if s.value == 0}
    for sample in reading.samples("healthcheck_value"):
        if sample.labels["unit"] == "processes" and sample.value == 0 and sample.labels["check"] in failed:
            yield {"alertname": "ProcessGone", **sample.labels, "severity": "critical"}


def log_pattern_matched(reading: Reading) -> Iterator[Labels]:
    """Find log patterns with a new line within the last minute; they bring their severity."""
    for sample in reading.samples("log_pattern_matches_total"):
        if reading.matched(sample):
            yield {"alertname": "LogPatternMatched", **sample.labels}


RULES: Mapping[str, Rule] = {
    "HealthCheckFailing": failing("HealthCheckFailing", CERTAIN, "warning"),
    "HealthCheckStillFailing": failing("HealthCheckStillFailing", 5, "critical"),
    "ProcessGone": process_gone,
    "LogPatternMatched": log_pattern_matched,
}
