"""What is to be done for a run, once the verdict that led to it is durable."""

from dataclasses import dataclass
from enum import Enum, auto

from bridge.ledger.runs import Run
from bridge.policy.remediation import Remediation


class Work(Enum):
    """What is to be done for a run now."""

    ATTEMPT = auto()
    """It has been journalled, with its first step."""
    DRY_RUN = auto()
    SETTLE = auto()
    """Its alert has gone while it waited: see whether that counts as fixed."""


@dataclass(frozen=True)
class Job:
    """Some work for a run, with the remediation of the policy that decided on it."""

    work: Work
    run: Run
    remediation: Remediation
