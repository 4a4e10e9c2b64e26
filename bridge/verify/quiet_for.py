"""For log patterns: no new matching line for a time, while the source is being read."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from bridge.peers.observer import ObserverError
from bridge.verify._watched import labels_of, scraped
from bridge.verify.base import Evidence, Finding, Scene, Verification, unanswered
from remedy.config.durations import Duration, format_duration


@dataclass(frozen=True)
class _Reading:
    """What the exporter had counted when it was scraped last."""

    lines: float
    errors: float
    at: float


class QuietFor(Verification):
    """`{quiet_for: 1m, within: 5m}`.

    Lines are counted from the first sample that was taken after the last step; a line after that starts the quiet anew.
    Quiet counts only while the exporter is scraped, has read the log to its end, and can read it.
    """

    quiet_for: Duration = timedelta(seconds=60)
    within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which it must have been quiet for long enough."""
        return self.within

    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Watch the counter of the pattern."""
        first: _Reading | None = None
        while True:
            try:
                scrape = scraped(scene)
                reading = scrape if isinstance(scrape, Finding) else _read(scene, scrape.at)
            except ObserverError as error:
                yield unanswered(error)
                continue
            if isinstance(reading, Finding):
                yield reading
                continue
            if first is not None and reading.errors > first.errors:
                first = reading
                yield Finding(Evidence.NO_EVIDENCE, "the exporter cannot read the log")
                continue
            if first is None or reading.lines != first.lines:
                first = reading
            yield self._judge(reading.at - first.at)

    def _judge(self, quiet: float) -> Finding:
        if quiet >= self.quiet_for.total_seconds():
            return Finding(Evidence.HEALED, f"no new matching line for {format_duration(self.quiet_for)}")
        return Finding(Evidence.NOT_HEALED, f"quiet for {quiet:.0f} s of {format_duration(self.quiet_for)}")


def _read(scene: Scene, scrape: float) -> _Reading | Finding:
    """Return what was counted, or why that shows nothing."""
    where = labels_of(scene, "source", "instance")
    counters = scene.observer.series("log_pattern_matches_total", where | labels_of(scene, "pattern"))
    if not counters:
        return Finding(Evidence.NO_EVIDENCE, f"nothing counts the pattern {scene.labels.get('pattern', '')!r}")
    oldest = min(sample.at for sample in counters)
    if oldest < scrape:
        return Finding(Evidence.NO_EVIDENCE, "the counter was not in the last scrape")
    lag = scene.observer.series("log_source_lag_bytes", where)
    if not lag or any(sample.value > 0 for sample in lag):
        return Finding(Evidence.NO_EVIDENCE, "the exporter has not read the log to its end yet")
    errors = sum(sample.value for sample in scene.observer.series("log_source_errors_total", where))
    return _Reading(sum(sample.value for sample in counters), errors, oldest)
