"""What a verification is: one look after the other at what can prove that the fix helped.

*Absence is not health*: a look finds `HEALED` only with evidence newer than the last step. One file per kind in this
package, named like the key that chooses it in `verify:`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import ClassVar

from pydantic import BaseModel, ConfigDict

from bridge.peers.observer import NobodyToAskError, Observer, ObserverError
from remedy.config.durations import Duration

NOTHING_WANTED = "the remediation says verify: none"


class Evidence(StrEnum):
    """What one look found."""

    HEALED = "healed"
    NOT_HEALED = "not_healed"
    NO_EVIDENCE = "no_evidence"
    """Nothing that proves either: the watching itself is broken, or has not looked yet."""
    UNPROVABLE = "unprovable"
    """Nothing will ever prove it here, so there is no use in looking again."""


@dataclass(frozen=True)
class Finding:
    """One look's result, with its reason as a sentence."""

    evidence: Evidence
    reason: str


def unanswered(error: ObserverError) -> Finding:
    """Say that a question was not answered."""
    evidence = Evidence.UNPROVABLE if isinstance(error, NobodyToAskError) else Evidence.NO_EVIDENCE
    return Finding(evidence, str(error))


@dataclass(frozen=True)
class Scene:
    """What a verification looks at."""

    labels: Mapping[str, str]
    since: float
    """Unix time at which the last step ended: evidence must be newer."""
    observer: Observer
    now: Callable[[], float]
    by_hand: bool = False
    """Somebody asked for the run: there is no alert that could clear."""


class Verification(BaseModel, ABC):
    """A way to prove it. Fields are the keys under `verify:`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    proves: ClassVar[bool] = True
    """Whether it looks at all; what does not leaves its runs `unverified`."""
    asks_alert: ClassVar[bool] = False
    """Whether it is the alert's own end that proves it: a run by hand has none."""

    stable_for: Duration = timedelta(0)
    """How long it must stay healed before it counts."""

    @abstractmethod
    def time_limit(self) -> timedelta:
        """How long to look before the attempt counts as not having helped."""

    @abstractmethod
    def looks(self, scene: Scene) -> Iterator[Finding]:
        """Yield one finding per look, without end; the caller decides when to look."""
