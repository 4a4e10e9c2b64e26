"""Who keeps others waiting for a lock in PostgreSQL, and how to end that."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints

from bridge.actions.base import StepContext, StepError
from bridge.actions.host.fields import Text
from bridge.actions.host.matching import ProcessName

_LOOK_AGAIN_SECONDS = 0.1
_BLOCKING = """
    SELECT holder.pid, holder.backend_start, holder.xact_start, holder.application_name, holder.usename, holder.datname,
        holder.state, count(*)
    FROM pg_stat_activity AS waiting
    CROSS JOIN LATERAL unnest(pg_blocking_pids(waiting.pid)) AS blocking (pid)
    JOIN pg_stat_activity AS holder ON holder.pid = blocking.pid
    WHERE waiting.datname = current_database() AND holder.backend_type = 'client backend'
        AND cardinality(pg_blocking_pids(holder.pid)) = 0
    GROUP BY 1, 2, 3, 4, 5, 6, 7
"""
"""Those at the root: who waits for others itself is none of them."""
_CANCEL = "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
_TERMINATE = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = %s AND backend_start = %s"
"""With its start, which no later session of the same number has."""


class ExpectedSession(BaseModel):
    """What a session must look like to be the one meant; everything that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    application: ProcessName
    """Its `application_name`, of `allow.processes`."""
    user: Annotated[Text, StringConstraints(min_length=1, max_length=63)] | None = None
    """Its role in PostgreSQL."""

    def __str__(self) -> str:
        return f"application '{self.application}'" + (f", user '{self.user}'" if self.user else "")


@dataclass(frozen=True)
class Session:
    """A session that holds a lock which others wait for."""

    pid: int
    started: datetime
    transaction: datetime | None
    """When its transaction began; another one is another lock."""
    application: str
    user: str
    database: str
    state: str
    waiting: int
    """Sessions that wait for it."""

    def __str__(self) -> str:
        return f"session {self.pid} ({self.application or 'without a name'}, user {self.user}, {self.state})"

    @property
    def key(self) -> tuple[int, datetime, datetime | None]:
        """What stays the same while it holds on."""
        return self.pid, self.started, self.transaction

    def fits(self, expected: ExpectedSession) -> bool:
        """Tell whether it looks like the one meant."""
        return self.application == expected.application and expected.user in (None, self.user)


def blocking(connection: Any) -> list[Session]:
    """Return the sessions of this database that keep others waiting now."""
    rows = connection.execute(_BLOCKING)
    return [Session(*row[:3], *(value or "" for value in row[3:])) for row in rows]  # names are NULL without the right


def end(connection: Any, session: Session, grace: float, context: StepContext) -> str:
    """Cancel what a session does, and where it still holds on after `grace` seconds, end the session.

    Raises:
        StepError: it does not end.
    """
    connection.execute(_CANCEL, (session.pid, session.started))
    if _lets_go(connection, session, grace, context):
        return f"{session}: what it did was cancelled"
    connection.execute(_TERMINATE, (session.pid, session.started))
    if _lets_go(connection, session, grace, context):
        return f"{session} was ended"
    raise StepError(f"{session} does not end")


def _lets_go(connection: Any, session: Session, seconds: float, context: StepContext) -> bool:
    while session.key in {other.key for other in blocking(connection)}:
        if seconds <= 0:
            return False
        context.pause(_LOOK_AGAIN_SECONDS)
        seconds -= _LOOK_AGAIN_SECONDS
    return True
