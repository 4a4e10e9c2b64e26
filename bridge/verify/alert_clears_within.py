"""The default: the alert's own rule must find it gone, while what it watches is being watched."""

from collections.abc import Iterator
from datetime import timedelta

from bridge.observer import ObserverError
from bridge.verify.base import Evidence, Finding, Scene, Verification, unanswered
from remedy.config.durations import Duration


class AlertClears(Verification):
    """`{alert_clears_within: 5m, stable_for: 0s}`.

    Healed needs all of: the rule was evaluated since the last step; no active alert agrees with the labels; what it
    watches is being scraped (`up` = 1). For this project's own checks also: the check passed in a run that began since.
    """

    alert_clears_within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which the alert must clear."""
        return self.alert_clears_within

    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Ask the rule, then the scrape, then the check."""
        while True:
            try:
                yield _rule(scene) or _scraped(scene) or _checked(scene) or _healed(scene)
            except ObserverError as error:
                yield unanswered(error)


def _rule(scene: Scene) -> Finding | None:
    name = scene.labels.get("alertname", "")
    view = scene.observer.rule(name)
    if view is None:
        return Finding(Evidence.NO_EVIDENCE, f"Prometheus has no alerting rule named {name}")
    if any(_agree(alert, scene.labels) for alert in view.active):
        return Finding(Evidence.NOT_HEALED, "the alert is still active")
    if not view.healthy:
        return Finding(Evidence.NO_EVIDENCE, f"the rule {name} cannot be evaluated")
    if view.evaluated_at <= scene.since:
        return Finding(Evidence.NO_EVIDENCE, "the rule was not evaluated since the last step")
    return None


def _agree(alert: object, labels: object) -> bool:
    """Tell whether no label that both have differs: relabelling may add or drop some on the way here."""
    if not isinstance(alert, dict) or not isinstance(labels, dict):
        return False
    return all(labels.get(name, value) == value for name, value in alert.items())


def _scraped(scene: Scene) -> Finding | None:
    where = {name: scene.labels[name] for name in ("job", "instance") if scene.labels.get(name)}
    if not where:
        return Finding(
            Evidence.UNPROVABLE,
            "the alert has no job and no instance label, so nothing shows that what it watches is still being scraped"
            " (use verify: {query: …})",
        )
    up = scene.observer.series("up", where)
    fresh = [sample for sample in up if sample.at > scene.since]
    if not fresh:
        return Finding(Evidence.NO_EVIDENCE, "what the alert watches was not scraped since the last step")
    if any(sample.value == 0 for sample in fresh):
        return Finding(Evidence.NO_EVIDENCE, "what the alert watches cannot be scraped (up = 0)")
    return None


def _checked(scene: Scene) -> Finding | None:
    if "check" not in scene.labels:
        return None
    where = {name: scene.labels[name] for name in ("check", "instance") if scene.labels.get(name)}
    success = scene.observer.series("healthcheck_success", where)
    last_run = scene.observer.series("healthcheck_last_run_timestamp_seconds", where)
    if not success or not last_run:
        return Finding(Evidence.NO_EVIDENCE, f"the exporter shows no check named {where['check']}")
    if min(sample.value for sample in last_run) <= scene.since:
        return Finding(Evidence.NO_EVIDENCE, f"the check {where['check']} has not run since the last step")
    if any(sample.value != 1 for sample in success):
        return Finding(Evidence.NOT_HEALED, f"the check {where['check']} still fails")
    return None


def _healed(scene: Scene) -> Finding:
    if "check" in scene.labels:
        return Finding(Evidence.HEALED, f"the check {scene.labels['check']} passes again and the alert has cleared")
    return Finding(Evidence.HEALED, "the rule was evaluated since, and the alert has cleared")
