"""What the gates decide on: an episode, what the ledger remembers of it, and how others see it now.

All times are unix seconds by our own clock, except `starts_at` and `ends_at`, which are the sender's. What is made for
each look at each episode is a tuple: a frozen dataclass takes twice as long to make.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple


@dataclass(frozen=True)
class Episode:
    """One continuous time of firing."""

    id: int
    fingerprint: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]
    starts_at: float
    received_at: float
    notified_at: float
    by_hand: bool = False
    """No alert: somebody asked for a run. Nobody can be asked about it, and it closes with its run."""


@dataclass(frozen=True)
class Pause:
    """Somebody paused one remediation, or (with an empty name) everything."""

    remediation: str
    reason: str
    until: float | None


class History(NamedTuple):
    """What the ledger remembers that matters for one episode and one remediation."""

    pause: Pause | None = None
    busy_with: int | None = None
    """The run at work on the same host, or of the same remediation on the same target from another one."""
    busy_host: str | None = None
    """The other host from where it works on the target; None: it is on the same host."""
    last_end: float | None = None
    """When the last run of this remediation on this target ended that had started a step."""
    running: int = 0
    runs_in_hour: int = 0
    other_hosts: int = 0
    """How many other hosts this remediation touched within the breaker's window."""
    host_touched: bool = False
    """Whether it touched this one then."""
    breaker: str | None = None
    """Why the breaker is open; None: it is not."""
    returns: int = 0
    """How often the alert came back within the window of flapping."""
    calm_at: float | None = None
    """When the first of these leaves that window, so that it does not count as flapping any more."""
    attempts: int = 0
    held: int = 0
    """How many decisions wait, of whatever remediation: the more, the less often each is looked at."""


@dataclass(frozen=True)
class Standing:
    """How Prometheus and the Alertmanagers see an alert now."""

    prometheus: bool | None = None
    """Is it active there? None: not asked."""
    prometheus_error: str = ""
    asked: int = 0
    answered: int = 0
    """Alertmanagers that answered, and have been up for long enough that absence means something."""
    listed: bool = False
    silenced_by: tuple[str, ...] = ()
    inhibited_by: tuple[str, ...] = ()
    trouble: str = ""

    @property
    def nobody_to_ask(self) -> bool:
        """Neither a Prometheus nor an Alertmanager is there to be asked."""
        return self.prometheus is None and not self.prometheus_error and not self.asked

    @property
    def unknown(self) -> bool:
        """Nobody lists it, and somebody who might know it did not answer."""
        return bool(self.prometheus_error) or (not self.listed and self.answered < self.asked)

    @property
    def gone(self) -> bool:
        """Everybody who was asked answered, and nobody knows the alert."""
        if self.nobody_to_ask:
            return False
        return not self.prometheus and not self.prometheus_error and not self.listed and self.answered == self.asked


UNWRITTEN = 0
"""The id of a row that there is not yet."""


class Candidate(NamedTuple):
    """An episode that waits for a decision on one remediation, with the id of its current row."""

    decision_id: int
    """`UNWRITTEN`: it is decided on before it is written down."""
    episode: Episode
    remediation: str
    host: str
    target: str
    verdict: str
    since: float
    """When it got the verdict that it has."""
    looks: int
