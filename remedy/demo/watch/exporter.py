"""Watches the exporter's metrics: checks that fail, log lines that match."""

import time
from collections.abc import Callable, Iterator

from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from remedy.demo.watch.sighting import Mood, Sighting, Stage

_SHOWN_FAILURES = 3
"""So many in a row raise the alert; what comes after is no news."""
_QUIET = 5.0
"""Seconds without a matching line after which the next one is news."""


class ExporterWatch:
    """Sees what Prometheus sees."""

    def __init__(self, metrics: Callable[[], str | None]) -> None:
        self._metrics = metrics
        self._failures: dict[str, float] = {}
        self._lines: dict[tuple[str, str], float] = {}
        self._lines_seen_at: dict[tuple[str, str], float] = {}
        self._looked_at = time.time()

    def look(self) -> list[Sighting]:
        """Compare with the last look."""
        text = self._metrics()
        if text is None:
            return []
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        last_look, self._looked_at = self._looked_at, time.time()
        return [*self._checks(samples), *self._logs(samples, last_look)]

    def _checks(self, samples: list[Sample]) -> Iterator[Sighting]:
        runs = {s.labels["check"]: s.value for s in samples if s.name == "healthcheck_last_run_timestamp_seconds"}
        for sample in samples:
            if sample.name != "healthcheck_consecutive_failures":
                continue
            check, now = sample.labels["check"], sample.value
            before, self._failures[check] = self._failures.get(check, 0), now
            at = runs.get(check, time.time())
            if before < now <= _SHOWN_FAILURES:
                yield Sighting(at, Stage.CHECK, f"{check} fails, {now:.0f} in a row", Mood.BAD)
            elif before > 0 and now == 0:
                yield Sighting(at, Stage.CHECK, f"{check} is healthy again", Mood.GOOD)

    def _logs(self, samples: list[Sample], last_look: float) -> Iterator[Sighting]:
        """Lines carry no time in the metrics: they came after the last look, and before what follows from them."""
        for sample in samples:
            if sample.name != "log_pattern_matches_total":
                continue
            key, now = (sample.labels["pattern"], sample.labels["source"]), time.time()
            before, self._lines[key] = self._lines.get(key, sample.value), sample.value
            if sample.value > before:
                quiet = now - self._lines_seen_at.get(key, 0) > _QUIET
                self._lines_seen_at[key] = now
                if quiet:
                    yield Sighting(last_look, Stage.LOG, f"a line of {key[1]}.log matches {key[0]}", Mood.BAD)
