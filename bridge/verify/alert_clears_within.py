"""The default: the alert's own rule must find it gone, while what it watches is being watched."""

from collections.abc import Iterator
from datetime import timedelta
from typing import ClassVar

from bridge.peers.observer import ObserverError, RuleView
from bridge.verify._watched import agree, labels_of, present, scraped
from bridge.verify.base import Evidence, Finding, Scene, Verification, unanswered
from remedy.config.durations import Duration


class AlertClears(Verification):
    """`{alert_clears_within: 5m, stable_for: 0s}`.

    Healed needs all of: the rule was evaluated since the last step; no active alert agrees with the labels; what it
    watches is being scraped (`up` = 1), and the rule's series are there. For this project's own checks instead of the
    last: the check passed in a run that began since.
    """

    asks_alert: ClassVar[bool] = True

    alert_clears_within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which the alert must clear."""
        return self.alert_clears_within

    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Ask the rule, then the scrape, then the check or the series."""
        while scene.by_hand:
            yield Finding(Evidence.UNPROVABLE, "it was run by hand: there is no alert whose clearing would prove it")
        while True:
            try:
                yield _look(scene)
            except ObserverError as error:
                yield unanswered(error)


def _look(scene: Scene) -> Finding:
    name = scene.labels.get("alertname", "")
    view = scene.observer.rule(name)
    if view is None:
        return Finding(Evidence.NO_EVIDENCE, f"Prometheus has no alerting rule named {name}")
    doubt = _cleared(scene, view, name)
    if doubt is not None:
        return doubt
    scrape = scraped(scene)
    if isinstance(scrape, Finding):
        return scrape
    if "check" in scene.labels:
        return _checked(scene)
    cleared = Finding(Evidence.HEALED, "the rule was evaluated since, and the alert has cleared")
    return present(scene, view, scrape) or cleared


def _cleared(scene: Scene, view: RuleView, name: str) -> Finding | None:
    if any(agree(alert, scene.labels) for alert in view.active):
        return Finding(Evidence.NOT_HEALED, "the alert is still active")
    if not view.healthy:
        return Finding(Evidence.NO_EVIDENCE, f"the rule {name} cannot be evaluated")
    if view.evaluated_at <= scene.since:
        return Finding(Evidence.NO_EVIDENCE, "the rule was not evaluated since the last step")
    return None


def _checked(scene: Scene) -> Finding:
    where = labels_of(scene, "check", "instance")
    success = scene.observer.series("healthcheck_success", where)
    last_run = scene.observer.series("healthcheck_last_run_timestamp_seconds", where)
    check = scene.labels["check"]
    if not success or not last_run:
        return Finding(Evidence.NO_EVIDENCE, f"the exporter shows no check named {check}")
    if min(sample.value for sample in last_run) <= scene.since:
        return Finding(Evidence.NO_EVIDENCE, f"the check {check} has not run since the last step")
    if any(sample.value != 1 for sample in success):
        return Finding(Evidence.NOT_HEALED, f"the check {check} still fails")
    return Finding(Evidence.HEALED, f"the check {check} passes again and the alert has cleared")
