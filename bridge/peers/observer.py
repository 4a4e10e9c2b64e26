"""What can be known about the world that alerts watch: a Prometheus, or `remedy run`'s own checks in its place."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Sample:
    """One value of one series, and the unix time at which it was taken."""

    labels: Mapping[str, str]
    value: float
    at: float


@dataclass(frozen=True)
class RuleView:
    """The alerting rules of one name, seen together."""

    evaluated_at: float
    """Unix time of the oldest of their last evaluations."""
    healthy: bool
    active: tuple[Mapping[str, str], ...]
    """The labels of each active alert (pending or firing), as the rule has them and as they are sent.

    Those that the rule fills in with a template are left out: with another value it is another alert, not a healed one.
    """
    expressions: tuple[str, ...] = ()
    """Their expressions, where the series that they name must be there; none: the observer sees to that itself."""


class ObserverError(Exception):
    """It did not answer, or not sensibly; the message is a sentence."""


class NobodyToAskError(ObserverError):
    """There is nobody who could answer, now or later."""


class Observer(Protocol):
    """Questions that verification and the `not_firing` gate ask. Every method may raise `ObserverError`."""

    def rule(self, alertname: str) -> RuleView | None:
        """Return what the alerting rules of this name say now; None where there is no such rule."""

    def firing(self) -> list[Mapping[str, str]]:
        """Return the labels with which every alert is sent that fires now."""

    def series(self, metric: str, labels: Mapping[str, str]) -> list[Sample]:
        """Return the current samples of a metric whose series carry these labels."""

    def query(self, expression: str) -> list[Sample]:
        """Evaluate an expression of the user's own."""


class NoObserver:
    """Where no Prometheus is configured: nothing can be known, so nothing can be proven."""

    def rule(self, alertname: str) -> RuleView | None:
        """Refuse to answer."""
        raise NobodyToAskError(f"no Prometheus is configured, so nothing proves that {alertname} has cleared")

    def firing(self) -> list[Mapping[str, str]]:
        """Refuse to answer."""
        raise NobodyToAskError("no Prometheus is configured")

    def series(self, metric: str, labels: Mapping[str, str]) -> list[Sample]:
        """Refuse to answer."""
        raise NobodyToAskError(f"no Prometheus is configured, so {metric} cannot be asked for {dict(labels)}")

    def query(self, expression: str) -> list[Sample]:
        """Refuse to answer."""
        raise NobodyToAskError(f"no Prometheus is configured to ask {expression!r}")
