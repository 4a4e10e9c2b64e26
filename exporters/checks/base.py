"""What a check is: its own fields, and one look at the world that gives a `CheckResult`.

One file per kind in this package, named like the kind; the class's fields are its YAML keys and its docstring is its
page in the reference. A check never sees the schedule, the metrics or Flask.
"""

import time
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from types import MappingProxyType
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from remedy.config.durations import Duration

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$", max_length=100)]
"""A name that becomes a label's value and part of an address."""


class Status(StrEnum):
    """What one run of a check found."""

    HEALTHY = "healthy"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"
    """It could not tell: it raised, or its time was up. Counts as failing."""


class CheckError(Exception):
    """A check could not tell; the message is a sentence for people."""


@dataclass(frozen=True)
class Measured:
    """A number beside the one that a check is about."""

    value: float
    unit: str
    """Another than that of the check's own value: `inodes_percent`, `certificate_seconds`."""
    threshold: float | None = None


@dataclass(frozen=True)
class CheckResult:
    """What one run found: a sentence, and where there is one, a number with its unit and threshold."""

    status: Status
    message: str
    value: float | None = None
    unit: str = ""
    """A base unit as in metric names: `percent`, `bytes`, `seconds`, `processes`."""
    threshold: float | None = None
    details: Mapping[str, object] = field(default_factory=lambda: MappingProxyType({}))
    """More for `/health`; its keys are part of that page's contract."""
    also: tuple[Measured, ...] = ()
    """Further numbers for the metrics."""

    @property
    def numbers(self) -> tuple[Measured, ...]:
        """Return all the numbers, its own first."""
        own = () if self.value is None else (Measured(self.value, self.unit, self.threshold),)
        return (*own, *self.also)


@dataclass(frozen=True)
class CheckContext:
    """The little world that one run sees."""

    deadline: float
    """On `time.monotonic`'s clock; whoever waits for something else waits no longer."""
    memory: dict[str, Any] = field(default_factory=dict)
    """What a check wants to remember from one run to its next; lost at a restart."""

    def remaining(self) -> float:
        """Return the seconds that are left.

        Raises:
            CheckError: none are.
        """
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise CheckError("its time was up")
        return left


class Check(BaseModel, ABC):
    """A kind of check. Subclasses add their fields."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    groups: ClassVar[frozenset[str]] = frozenset()
    """That the exporter's user must be in: for `remedy install-service`."""

    name: Name = Field(description="The check's name: the label `check` of its metrics.")
    kind: str
    interval: Duration = Field(
        default=timedelta(seconds=30), gt=timedelta(0), description="Time from the start of a run to the next."
    )
    timeout: Duration = Field(default=timedelta(seconds=10), gt=timedelta(0), description="How long a run may take.")
    critical: bool = Field(default=False, description="Does its failing make the whole host critical?")

    @abstractmethod
    def run(self, context: CheckContext) -> CheckResult:
        """Look once, within `context.remaining()` seconds.

        Raises:
            Exception: whatever it raises is the message of a result that is `unknown`.
        """


def within(value: float, threshold: float | None, unit: str, message: str, **details: object) -> CheckResult:
    """Judge a value that must not be over its threshold."""
    over = threshold is not None and value > threshold
    status = Status.UNHEALTHY if over else Status.HEALTHY
    text = f"{message}, over the threshold of {threshold:g} {unit}" if over else message
    return CheckResult(status, text, value, unit, threshold, details)


def healthy(message: str, value: float | None = None, unit: str = "", **details: object) -> CheckResult:
    """Make the result of a run that found nothing wrong."""
    return CheckResult(Status.HEALTHY, message, value, unit, details=details)


def unhealthy(message: str, value: float | None = None, unit: str = "", **details: object) -> CheckResult:
    """Make the result of a run that found something wrong."""
    return CheckResult(Status.UNHEALTHY, message, value, unit, details=details)
