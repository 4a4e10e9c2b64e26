"""What has just come is decided in the transaction that records it, where it is little and nobody is asked first.

It saves a commit and a round before the first step.
"""

from collections.abc import Sequence

from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from bridge.decision.due import Due
from bridge.decision.intake import Receipt
from bridge.decision.jobs import Job
from bridge.decision.round import Round
from bridge.ledger import decisions, sqlite
from bridge.policy.remediation import Policy

_FEW = 2
"""In a storm one round for many costs less than one for each, and the sender does not wait for it."""


def decide(connection: Connection, policy: Policy, now: float, token: str, receipts: Sequence[Receipt]) -> list[Job]:
    """Decide on what is new, if it is but a few; add to the first receipt what that led to, and return what is to do.

    A mistake undoes this alone: what is new then waits for its round, which finds out what the mistake is about.
    """
    if sum(receipt.accepted for receipt in receipts) not in range(1, _FEW + 1):
        return []
    new = decisions.new(connection, now)
    if not 0 < len(new) <= _FEW:
        return []
    try:
        with sqlite.savepoint(connection):
            done = Round(connection, policy, {}, now, token).look(Due(new, [], []))
    except OperationalError:
        raise  # it is about the ledger, not about what is new
    except Exception:  # noqa: BLE001 - its round says what it was
        return []
    receipts[0].add(done.intake.receipt)
    if not done.waits and not any(receipt.resolved for receipt in receipts):
        for receipt in receipts:
            receipt.waits = False
    return done.jobs
