"""Whether what an alert watches is being watched: scraped since the last step, and its series there.

Source of the rule: measured; with the exporter killed while its check failed, the alert was "resolved" after 1 s.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from bridge.peers.observer import RuleView
from bridge.verify._promql import alternatives
from bridge.verify.base import Evidence, Finding, Scene

_OF_THE_RULE = ("alertname", "severity")
"""Labels that rules set, whatever the series has."""


@dataclass(frozen=True)
class Scrape:
    """The last scrape of all that an alert may come from."""

    at: float
    """When what was scraped longest ago was."""
    known_at: float
    """When the last of it can be seen by a rule: a scrape shows only once it has ended."""


def scraped(scene: Scene) -> Finding | Scrape:
    """Return when all that the alert may come from was scraped last, or why that was not since the last step."""
    where = labels_of(scene, "job", "instance")
    if not where:
        return Finding(
            Evidence.UNPROVABLE,
            "the alert has no job and no instance label, so nothing shows that what it watches is still being scraped"
            " (use verify: {query: …})",
        )
    fresh = [sample for sample in scene.observer.series("up", where) if sample.at > scene.since]
    if not fresh:
        return Finding(Evidence.NO_EVIDENCE, "what the alert watches was not scraped since the last step")
    if any(sample.value == 0 for sample in fresh):
        return Finding(Evidence.NO_EVIDENCE, "what the alert watches cannot be scraped (up = 0)")
    took = max((sample.value for sample in scene.observer.series("scrape_duration_seconds", where)), default=0.0)
    return Scrape(min(sample.at for sample in fresh), max(sample.at for sample in fresh) + took)


def present(scene: Scene, view: RuleView, scrape: float) -> Finding | None:
    """Say which series of the rule was not in that scrape any more, if any: one that is gone clears every alert."""
    missing: list[str] = []
    for expression in view.expressions:
        sides = alternatives(expression)
        if not sides:
            why = f"it cannot be told which series {scene.labels.get('alertname')} watches (use verify: {{query: …}})"
            return Finding(Evidence.UNPROVABLE, why)
        gone = [[name for name in sorted(side) if not _is_there(scene, name, scrape)] for side in sides]
        least: list[str] = min(gone, key=len)
        missing += least
    if missing:
        return Finding(Evidence.NO_EVIDENCE, f"the series {missing[0]} of the alert is gone, which clears it too")
    return None


def agree(labels: Mapping[str, str], others: Mapping[str, str]) -> bool:
    """Tell whether no label that both have differs: relabelling may add or drop some on the way here."""
    return all(others.get(name, value) == value for name, value in labels.items())


def labels_of(scene: Scene, *names: str) -> dict[str, str]:
    """Return those of the alert's labels."""
    return {name: scene.labels[name] for name in names if scene.labels.get(name)}


def _is_there(scene: Scene, metric: str, scrape: float) -> bool:
    where = labels_of(scene, "instance") or labels_of(scene, "job")
    wanted = {name: value for name, value in scene.labels.items() if name not in _OF_THE_RULE}
    found = scene.observer.series(metric, where)
    return any(sample.at >= scrape and agree(sample.labels, wanted) for sample in found)
