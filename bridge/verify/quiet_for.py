"""For log patterns: no new matching line for a time, while the source is being read."""

from collections.abc import Iterator
from datetime import timedelta

from bridge.observer import ObserverError, Sample
from bridge.verify.base import Evidence, Finding, Scene, Verification, unanswered
from remedy.config.durations import Duration, format_duration


class QuietFor(Verification):
    """`{quiet_for: 1m, within: 5m}`.

    Lines are counted from the first sample that was taken after the last step; a line after that starts the quiet anew.
    """

    quiet_for: Duration = timedelta(seconds=60)
    within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which it must have been quiet for long enough."""
        return self.within

    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Watch the counter of the pattern."""
        count, quiet_since = -1.0, 0.0
        while True:
            try:
                sample = _counter(scene)
            except ObserverError as error:
                yield unanswered(error)
                continue
            if isinstance(sample, Finding):
                yield sample
                continue
            if sample.value != count:
                count, quiet_since = sample.value, sample.at
            yield self._judge(sample.at - quiet_since)

    def _judge(self, quiet: float) -> Finding:
        if quiet >= self.quiet_for.total_seconds():
            return Finding(Evidence.HEALED, f"no new matching line for {format_duration(self.quiet_for)}")
        return Finding(Evidence.NOT_HEALED, f"quiet for {quiet:.0f} s of {format_duration(self.quiet_for)}")


def _counter(scene: Scene) -> Sample | Finding:
    """Return the counter as it was scraped last, or why it shows nothing."""
    where = {name: scene.labels[name] for name in ("pattern", "source", "instance") if scene.labels.get(name)}
    counters = scene.observer.series("log_pattern_matches_total", where)
    if not counters:
        return Finding(Evidence.NO_EVIDENCE, f"nothing counts the pattern {where.get('pattern', '')!r}")
    oldest = min(sample.at for sample in counters)
    if oldest <= scene.since:
        return Finding(Evidence.NO_EVIDENCE, "the counter was not read since the last step")
    lag = scene.observer.series(
        "log_source_lag_bytes", {name: value for name, value in where.items() if name != "pattern"}
    )
    if any(sample.value > 0 for sample in lag):
        return Finding(Evidence.NO_EVIDENCE, "the exporter has not read the log to its end yet")
    return Sample(where, sum(sample.value for sample in counters), oldest)
