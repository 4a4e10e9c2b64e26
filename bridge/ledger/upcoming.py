"""When something is to be looked at next: one question, asked after every change."""

from dataclasses import dataclass

from sqlalchemy import Connection, exists, func, select

from bridge.ledger.decisions import HELD
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.prepared import Prepared
from bridge.ledger.runs import WAITING
from bridge.ledger.schema import UNCLOSED, decisions, episodes, runs


@dataclass(frozen=True)
class Upcoming:
    """The next moments, as unix seconds; None: there is none."""

    held: float | None
    """When the next decision that is held is looked at."""
    waiting: float | None
    """When the next attempt of a run is due, or its time for approval up."""
    returning: bool
    """Whether an episode may be returning: that is asked twice, soon."""

    @classmethod
    def read(cls, connection: Connection) -> "Upcoming":
        """Read them from the ledger."""
        ((held, waiting, returning),) = _UPCOMING.rows(connection)
        return cls(held, waiting, bool(returning))


_HELD = select(decisions.c.due_at).where(*HELD).order_by(decisions.c.due_at).limit(1)
_WAITING = select(func.min(runs.c.due_at)).where(*WAITING)
_RETURNING = exists().where(UNCLOSED, episodes.c.state == EpisodeState.RETURNING)
_UPCOMING = Prepared(select(_HELD.scalar_subquery(), _WAITING.scalar_subquery(), _RETURNING))
