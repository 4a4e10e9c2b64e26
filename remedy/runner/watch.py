"""In Prometheus' place: evaluates the rules over the exporter's metrics, and answers what the bridge asks of them."""

import threading
from collections.abc import Callable, Mapping
from typing import Literal

from prometheus_client import CollectorRegistry
from prometheus_client.samples import Sample as Scraped

from bridge.decision.payload import Alert, Notification, fingerprint
from bridge.peers.observer import NobodyToAskError, RuleView, Sample
from remedy.runner.rules import JOB, RULES, Labels, Reading

_GROWING = "log_pattern_matches_total"


class Watch:
    """Holds what is active. It is an `Observer` for the bridge, and the source of its notifications."""

    def __init__(self, registry: CollectorRegistry, instance: str, clock: Callable[[], float]) -> None:
        """Watch a registry; make this before the exporter starts, so that lines written while it was down count."""
        self._registry, self._clock = registry, clock
        self._target = {"instance": instance, "job": JOB}
        self._lock = threading.Lock()
        self._active: dict[str, tuple[str, Labels, float]] = {}
        self._evaluated_at = 0.0
        self._grown: dict[tuple[str, str], float] = {}
        self._counts = self._counted(self._collect())

    def look(self, *, begin: bool = True) -> Notification | None:
        """Evaluate the rules; return what changed, as a notification.

        Without `begin` nothing begins: what is new stays for a look that lets it; what has begun goes on or ends.
        """
        now, samples = self._clock(), self._collect()
        counts = self._counted(samples)
        grown = {key for key, count in counts.items() if count > self._counts.get(key, 0)}
        if not begin:
            grown &= self._watched()
        self._grown |= dict.fromkeys(grown, now)
        self._counts |= {key: count for key, count in counts.items() if begin or key in grown}
        reading = Reading(samples, now, self._grown)
        found = {
            fingerprint(labels): (name, labels)
            for name, rule in RULES.items()
            for labels in ({**each, **self._target} for each in rule(reading))
        }
        with self._lock:
            before = self._active
            found = found if begin else {key: each for key, each in found.items() if key in before}
            self._active = {
                key: (name, labels, before[key][2] if key in before else now) for key, (name, labels) in found.items()
            }
            self._evaluated_at = now
        began = [_alert(labels, since, None) for key, (_, labels, since) in self._active.items() if key not in before]
        ended = [_alert(labels, since, now) for key, (_, labels, since) in before.items() if key not in self._active]
        return Notification("", "run", "", 0, began + ended) if began or ended else None

    def forget(self, pattern: str, source: str) -> None:
        """Take what a log pattern shows for over: it was quiet for long enough that its fix is proven."""
        self._grown.pop((pattern, source), None)

    def rule(self, alertname: str) -> RuleView | None:
        """Return what the rule of this name says now."""
        if alertname not in RULES:
            return None
        with self._lock:
            active = tuple(labels for name, labels, _ in self._active.values() if name == alertname)
            return RuleView(self._evaluated_at, healthy=True, active=active)

    def firing(self) -> list[Labels]:
        """Return the labels of every alert that fires now; nothing is added to them."""
        with self._lock:
            return [labels for _, labels, _ in self._active.values()]

    def series(self, metric: str, labels: Mapping[str, str]) -> list[Sample]:
        """Return the samples of a metric as the exporter has them now; it is in this process, so it is up."""
        now = self._clock()
        if metric == "up":
            return [Sample(self._target, 1.0, now)]
        found = [Sample({**s.labels, **self._target}, s.value, now) for s in self._collect() if s.name == metric]
        return [sample for sample in found if labels.items() <= sample.labels.items()]

    def query(self, expression: str) -> list[Sample]:
        """Refuse: PromQL needs a Prometheus."""
        raise NobodyToAskError(f"there is no Prometheus to ask {expression!r}")

    def _watched(self) -> set[tuple[str, str]]:
        """Return (pattern, source) of what is active now."""
        return {(labels["pattern"], labels["source"]) for _, labels, _ in self._active.values() if "pattern" in labels}

    def _collect(self) -> list[Scraped]:
        return [sample for family in self._registry.collect() for sample in family.samples]

    def _counted(self, samples: list[Scraped]) -> dict[tuple[str, str], float]:
        return {(s.labels["pattern"], s.labels["source"]): s.value for s in samples if s.name == _GROWING}


def _alert(labels: Labels, since: float, until: float | None) -> Alert:
    """Make an alert of our own: nothing in it came from outside, so it is not read as a payload is."""
    status: Literal["firing", "resolved"] = "firing" if until is None else "resolved"
    return Alert.model_construct(status=status, labels=dict(labels), starts_at=since, ends_at=until)
