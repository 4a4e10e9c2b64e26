"""What is said of systemd's units, in whichever way systemd is asked."""

from dataclasses import dataclass
from enum import StrEnum

from bridge.actions.base import StepError


class Manager(StrEnum):
    """Which systemd: the machine's, or that of the bridge's own user."""

    SYSTEM = "system"
    USER = "user"


class Verb(StrEnum):
    """What to do with a unit."""

    RESTART = "restart"
    START = "start"
    STOP = "stop"
    RELOAD = "reload"
    RESET_FAILED = "reset-failed"


@dataclass(frozen=True)
class UnitState:
    """How a unit is; the words are systemd's."""

    load: str
    active: str
    sub: str
    result: str
    kind: str
    """`Type=` of a service: `simple`, `notify`, `oneshot` …"""
    invocation: str
    """Another one with each start."""
    control_group: str
    names: frozenset[str]

    def __str__(self) -> str:
        result = f", result {self.result}" if self.result not in ("", "success") else ""
        return f"{self.active} ({self.sub}{result})"


class UnitError(StepError):
    """systemd did not do what it was asked; the message is its own."""


class NotAllowedError(UnitError):
    """systemd does not let us."""
