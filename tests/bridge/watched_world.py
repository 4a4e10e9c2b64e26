"""A world that tests set up by hand, as `Observer`: what it is asked for it answers, and nothing else."""

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bridge.peers.observer import ObserverError, RuleView, Sample
from bridge.verify.base import Finding, Scene, Verification

SINCE = 1000.0
"""When the last step ended."""
NEWER, OLDER = SINCE + 1, SINCE - 1


@dataclass
class World:
    """All of it may be changed between two looks."""

    rules: dict[str, RuleView] = field(default_factory=dict)
    samples: dict[str, list[Sample]] = field(default_factory=dict)
    answers: list[Sample] = field(default_factory=list)
    broken: ObserverError | None = None

    def rule(self, alertname: str) -> RuleView | None:
        self._ask()
        return self.rules.get(alertname)

    def firing(self) -> list[Mapping[str, str]]:
        self._ask()
        return [labels for rule in self.rules.values() for labels in rule.active]

    def series(self, metric: str, labels: Mapping[str, str]) -> list[Sample]:
        self._ask()
        return [s for s in self.samples.get(metric, []) if labels.items() <= s.labels.items()]

    def query(self, expression: str) -> list[Sample]:
        self._ask()
        return self.answers

    def _ask(self) -> None:
        if self.broken is not None:
            raise self.broken

    def set(self, metric: str, value: float, at: float = NEWER, **labels: str) -> None:
        """Set the only sample of a metric for an instance."""
        self.samples[metric] = [Sample({"job": "node", "instance": "web-1:9100", **labels}, value, at)]

    def scene(self, **labels: str) -> Scene:
        """Return the scene of an alert about `web-1`; a label that is empty is left out."""
        given = {"alertname": "Down", "job": "node", "instance": "web-1:9100", "severity": "critical", **labels}
        return Scene({k: v for k, v in given.items() if v}, SINCE, self, lambda: NEWER)

    def look(self, verification: Verification, **labels: str) -> Finding:
        """Look once."""
        return next(verification.looks(self.scene(**labels)))

    def looks(self, verification: Verification, **labels: str) -> Iterator[Finding]:
        """Look again and again."""
        return verification.looks(self.scene(**labels))


def never() -> threading.Event:
    """Return the event of a bridge that does not stop."""
    return threading.Event()
