"""What has just come is decided in the transaction that records it, where it is little and nobody is asked first.

It saves a commit and a round before the first step, and the verdict is the first that is written down.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bridge.decision.due import Due
from bridge.decision.facts import Candidate
from bridge.decision.intake import Receipt
from bridge.decision.jobs import Job
from bridge.decision.round import Round
from bridge.ledger import decisions, sqlite
from bridge.policy.remediation import Policy

_FEW = 2
"""In a storm one round for many costs less than one for each, and the sender does not wait for it."""


@dataclass
class AtOnce:
    """Decides on a few within one transaction."""

    connection: Connection
    policy: Policy
    now: float
    token: str
    """Names the process that starts the steps."""
    begin: Callable[[Job], None]
    """Told what is to be done, once all of it is written."""
    left: int = _FEW

    def look(self, new: Sequence[Candidate]) -> Receipt | None:
        """Decide on what is new and not written down yet, and return what that led to; None: it waits for a round.

        A mistake undoes this alone: the round finds out what the mistake is about.
        """
        if not 0 < len(new) <= self.left or decisions.any_new(self.connection, self.now):
            return None
        self.left -= len(new)
        try:
            with sqlite.savepoint(self.connection):
                done = Round(self.connection, self.policy, {}, self.now, self.token).look(Due(list(new), [], []))
        except OperationalError:
            raise  # it is about the ledger, not about what is new
        except Exception:  # noqa: BLE001 - its round says what it was
            return None
        for job in done.jobs:
            self.begin(job)
        done.intake.receipt.waits = done.waits
        return done.intake.receipt
