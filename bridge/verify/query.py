"""A PromQL expression of the user's own: it passes with at least one sample and none of them 0."""

from collections.abc import Iterator
from datetime import timedelta

from pydantic import Field

from bridge.observer import ObserverError
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
        """Ask the query; only samples newer than the last step count."""
        while True:
            try:
                samples = scene.observer.query(self.query)
            except ObserverError as error:
                yield unanswered(error)
                continue
            fresh = [sample for sample in samples if sample.at > scene.since]
            if not fresh:
                yield Finding(Evidence.NO_EVIDENCE, "the query gives no sample newer than the last step")
            elif any(sample.value == 0 for sample in fresh):
                yield Finding(Evidence.NOT_HEALED, "the query gives a sample that is 0")
            else:
                yield Finding(Evidence.HEALED, f"the query gives {len(fresh)} samples and none is 0")
