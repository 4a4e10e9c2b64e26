"""Watches Prometheus' alerts."""

import time
from collections.abc import Callable, Iterator
from typing import Any

from remedy.demo.watch.sighting import Mood, Sighting, Stage, moment

Labels = frozenset[tuple[str, str]]


class PrometheusWatch:
    """Sees alerts begin to fire, and go."""

    def __init__(self, alerts: Callable[[], dict[str, Any] | None]) -> None:
        """Take what returns the answer of `/api/v1/alerts`."""
        self._alerts = alerts
        self._firing: dict[Labels, str] = {}

    def look(self) -> list[Sighting]:
        """Compare with the last look."""
        answer = self._alerts()
        if answer is None:
            return []
        now = {frozenset(a["labels"].items()): a for a in answer["data"]["alerts"] if a["state"] == "firing"}
        seen = [*self._new(now), *self._gone(now)]
        self._firing = {labels: alert["labels"]["alertname"] for labels, alert in now.items()}
        return seen

    def _new(self, now: dict[Labels, dict[str, Any]]) -> Iterator[Sighting]:
        for labels in now.keys() - self._firing.keys():
            alert = now[labels]
            about = {key: alert["labels"].get(key) for key in ("check", "pattern", "source", "remediation")}
            text = ", ".join(f"{key} {value}" for key, value in about.items() if value)
            at = moment(alert.get("activeAt"), time.time())
            yield Sighting(at, Stage.ALERT, f"{alert['labels']['alertname']} fires ({text})", Mood.BAD)

    def _gone(self, now: dict[Labels, dict[str, Any]]) -> Iterator[Sighting]:
        for labels in self._firing.keys() - now.keys():
            yield Sighting(time.time(), Stage.ALERT, f"{self._firing[labels]} has gone", Mood.GOOD)
