"""What has been counted, for the metrics: only what is in the state database, so that no counter ever goes back."""

import threading
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from exporters.logs.pattern import LogPattern
from exporters.logs.store import Change, Saved

_KEPT_LINES = 20
_MATCHES, _LAG = "log_pattern_matches", "log_source_lag_bytes"
_TOTALS = {
    "read_bytes": "Bytes of the source's lines that were read and counted.",
    "rotations": "How often a file of the source lost its path to another one.",
    "truncations": "How often a file of the source was emptied and begun anew.",
    "errors": "How often a file of the source could not be read.",
    "cut_lines": "Lines longer than 1 MiB, of which only the beginning was matched.",
}


@dataclass
class SourceCounts:
    """The counts of one source."""

    lines: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    behind: int = 0
    samples: dict[str, list[Sample]] | None = None
    """All of it as metrics, until it changes."""


class LogCounts(Collector):
    """The counts of every source. Every pattern and source is there from the start, with 0."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._patterns: list[LogPattern] = []
        self._sources: dict[str, SourceCounts] = {}
        self._latest: dict[tuple[str, str], deque[bytes]] = {}

    def begin(self, patterns: Iterable[LogPattern], sources: Mapping[str, Saved]) -> None:
        """Count for these from now on, going on from what was counted before."""
        with self._lock:
            self._patterns = list(patterns)
            self._sources = {
                name: SourceCounts(Counter(saved.lines), Counter(saved.totals)) for name, saved in sources.items()
            }

    def add(self, source: str, change: Change, behind: int, samples: Mapping[str, list[bytes]]) -> None:
        """Take what was counted in one look, once it is in the database."""
        with self._lock:
            counts = self._sources[source]
            if change or behind != counts.behind:
                counts.samples = None
            counts.lines.update(change.lines)
            counts.totals.update(change.totals)
            counts.behind = behind
            for pattern, lines in samples.items():
                self._latest.setdefault((pattern, source), deque(maxlen=_KEPT_LINES)).extend(lines)

    def latest(self, pattern: str) -> dict[str, list[bytes]]:
        """Return the latest matching lines of a pattern by source, the newest last."""
        with self._lock:
            return {source: list(lines) for (id_, source), lines in self._latest.items() if id_ == pattern}

    def lines(self) -> dict[tuple[str, str], int]:
        """Return the matching lines counted so far, by pattern and source."""
        with self._lock:
            return {
                (pattern.id, source): counts.lines[pattern.id]
                for source, counts in self._sources.items()
                for pattern in self._patterns
            }

    def describe(self) -> Iterable[Metric]:
        """Say nothing of the families beforehand: nobody else uses these names."""
        return []

    def collect(self) -> Iterator[Metric]:
        """Yield the families."""
        families: dict[str, Metric] = {
            _MATCHES: CounterMetricFamily(_MATCHES, "Lines of the source that the pattern matches."),
            _LAG: GaugeMetricFamily(_LAG, "Bytes of the source that are not yet read."),
        } | {f"log_source_{name}": CounterMetricFamily(f"log_source_{name}", help_) for name, help_ in _TOTALS.items()}
        with self._lock:
            for source, counts in self._sources.items():
                if counts.samples is None:
                    counts.samples = self._samples(source, counts)
                for name, samples in counts.samples.items():
                    families[name].samples.extend(samples)
        yield from families.values()

    def _samples(self, source: str, counts: SourceCounts) -> dict[str, list[Sample]]:
        """Return the samples of a source by the name of their family."""
        label = {"source": source}
        matches = [
            Sample(
                f"{_MATCHES}_total",
                {"pattern": pattern.id, "severity": pattern.severity, **label},
                counts.lines[pattern.id],
            )
            for pattern in self._patterns
        ]
        totals = {
            f"log_source_{name}": [Sample(f"log_source_{name}_total", label, counts.totals[name])] for name in _TOTALS
        }
        return {_MATCHES: matches, _LAG: [Sample(_LAG, label, counts.behind)], **totals}
