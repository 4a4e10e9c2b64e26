"""A PromQL expression of the user's own: it passes with at least one sample and none of them 0."""

import math
from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field

from bridge.peers.observer import ObserverError
from bridge.verify._watched import labels_of
from bridge.verify.base import Evidence, Finding, Scene, Verification, unanswered
from remedy.config.durations import Duration


class Query(Verification):
    """`{query: PROMQL, within: 5m, stable_for: 0s}`."""

    query: str = Field(min_length=1)
    within: Duration = timedelta(minutes=5)

    def time_limit(self) -> timedelta:
        """The time in which the query must pass."""
        return self.within

    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Ask the query, once what the alert watches was scraped: an evaluation uses samples of up to 5 min ago."""
        while True:
            try:
                yield _not_scraped(scene) or self._look(scene)
            except ObserverError as error:
                yield unanswered(error)

    def _look(self, scene: Scene) -> Finding:
        samples = scene.observer.query(self.query)
        fresh = [sample for sample in samples if sample.at > scene.since]
        if not fresh:
            return Finding(Evidence.NO_EVIDENCE, "the query gives no sample newer than the last step")
        if any(sample.value == 0 for sample in fresh):
            return Finding(Evidence.NOT_HEALED, "the query gives a sample that is 0")
        if any(math.isnan(sample.value) for sample in fresh):
            return Finding(Evidence.NO_EVIDENCE, "the query gives a sample that is no number (0 / 0, perhaps)")
        return Finding(Evidence.HEALED, f"the query gives {len(fresh)} samples and none is 0")


def _not_scraped(scene: Scene) -> Finding | None:
    """Say so where it is known that nothing new can be in the answer; whether it is up is the query's matter."""
    where = labels_of(scene, "job", "instance")
    scrapes = scene.observer.series("up", where) if where else []
    if scrapes and all(sample.at <= scene.since for sample in scrapes):
        return Finding(Evidence.NO_EVIDENCE, "what the alert watches was not scraped since the last step")
    return None
