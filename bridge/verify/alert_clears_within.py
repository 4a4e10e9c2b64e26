"""The default: the alert's own rule must find it gone, while what it watches is being watched."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import ClassVar

from bridge.peers.observer import ObserverError, RuleView
from bridge.verify._watched import agree, labels_of, present, scraped
from bridge.verify.base import Evidence, Finding, Scene, Verification, unanswered
from remedy.config.durations import Duration


class AlertClears(Verification):
    """`{alert_clears_within: 5m, stable_for: 0s}`.

    Healed needs all of: what the alert watches was scraped since the last step (`up` = 1), and the rule's series were
    there; the rule was evaluated after that; no active alert agrees with the labels. For this project's own checks
    instead of the series: the check passed in a run that began since the step.
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
        seen = _Seen()
        while True:
            try:
                yield _look(scene, seen)
            except ObserverError as error:
                yield unanswered(error)


@dataclass
class _Seen:
    """What earlier looks have seen."""

    whole_at: float | None = None
    """Since when a rule can see all that the alert watches; None: the last look did not find all of it."""


def _look(scene: Scene, seen: _Seen) -> Finding:
    name = scene.labels.get("alertname", "")
    view = scene.observer.rule(name)
    if view is None:
        return Finding(Evidence.NO_EVIDENCE, f"Prometheus has no alerting rule named {name}")
    doubt = _cleared(scene, view, name)
    if "check" in scene.labels:
        return doubt or _checked(scene)
    missing = _whole(scene, view, seen)  # while the alert is active, too: the next evaluation may be proof then
    return doubt or missing or Finding(Evidence.HEALED, "the rule was evaluated since, and the alert has cleared")


def _whole(scene: Scene, view: RuleView, seen: _Seen) -> Finding | None:
    """Say why the rule cannot have seen all that it watches, if so: it may have cleared because nothing was there."""
    whole_at, seen.whole_at = seen.whole_at, None
    scrape = scraped(scene)
    if isinstance(scrape, Finding):
        return scrape
    missing = present(scene, view, scrape.at)
    if missing is not None:
        return missing
    seen.whole_at = scrape.known_at if whole_at is None else whole_at
    if view.evaluated_at < seen.whole_at:
        return Finding(Evidence.NO_EVIDENCE, "the rule was not evaluated since what it watches was scraped")
    return None


def _cleared(scene: Scene, view: RuleView, name: str) -> Finding | None:
    if any(agree(alert, scene.labels) for alert in view.active):
        return Finding(Evidence.NOT_HEALED, "the alert is still active")
    if not view.healthy:
        return Finding(Evidence.NO_EVIDENCE, f"the rule {name} cannot be evaluated")
    if view.evaluated_at <= scene.since:
        return Finding(Evidence.NO_EVIDENCE, "the rule was not evaluated since the last step")
    return None


def _checked(scene: Scene) -> Finding:
    scrape = scraped(scene)
    if isinstance(scrape, Finding):
        return scrape
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
