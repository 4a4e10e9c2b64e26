"""Episodes: at most one that is not closed for each fingerprint.

`open`: it fires. `returning`: a `firing` came for what was closed, and whether it is stale is being asked. `by_hand`:
no alert, somebody asked for a run. `closed`.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Text, bindparam, func, insert, or_, select, update

from bridge.decision.facts import Episode
from bridge.decision.payload import Alert
from bridge.ledger.prepared import Prepared, among, listed
from bridge.ledger.schema import UNCLOSED, AnyRow, episodes

_TIMES = (episodes.c.starts_at, episodes.c.received_at, episodes.c.notified_at)
BY_HAND = "by hand: "
"""The sender of an episode that somebody asked for begins so; who that was follows."""


_REMEMBERED = 100
"""Closed episodes of a fingerprint, at most, among which the end of the latest is looked for: one that comes and goes
all day has thousands, and nobody else can write meanwhile."""


class EpisodeState(StrEnum):
    """Where an episode stands."""

    OPEN = "open"
    RETURNING = "returning"
    BY_HAND = "by_hand"
    CLOSED = "closed"


_OPEN = (UNCLOSED, episodes.c.state == EpisodeState.OPEN)


def unclosed(connection: Connection, fingerprints: Sequence[str]) -> dict[str, AnyRow]:
    """Return the episodes of these fingerprints that are not closed."""
    return {row.fingerprint: row for row in _UNCLOSED.rows(connection, fingerprints=listed(fingerprints))}


def last_ends(connection: Connection, fingerprints: Sequence[str]) -> dict[str, float]:
    """Return, for each fingerprint that has a closed episode, the sender's time at which the latest one ended.

    None ended before it began: where the sender's clocks say so, a copy of it is no newer than it for that.
    """
    found: dict[str, float] = {}
    for row in _CLOSED.rows(connection, fingerprints=listed(fingerprints)):
        end = found.get(row.fingerprint, row.starts_at) if row.ends_at is None else row.ends_at
        found[row.fingerprint] = max(end, row.starts_at)
    return found


def has_ended(connection: Connection, fingerprint: str, starts_at: float, ends_at: float) -> bool:
    """Tell whether an episode is closed that had just this begin and this end."""
    return _ENDED.row(connection, fingerprint=fingerprint, begin=starts_at, end=ends_at) is not None


def add(connection: Connection, alerts: Sequence[tuple[Alert, EpisodeState]], sender: str, now: float) -> list[Episode]:
    """Insert episodes and return them in the order of the alerts."""
    added = []
    for alert, state in alerts:
        id_: Any = _ADD.value(
            connection,
            fingerprint=alert.identity,
            state=state,
            labels=alert.labels,
            annotations=alert.annotations,
            generator_url=alert.generator_url,
            sender=sender,
            starts_at=alert.starts_at,
            received_at=now,
            notified_at=now,
        )
        added.append(Episode(id_, alert.identity, alert.labels, alert.annotations, alert.starts_at, now, now))
    return added


def add_by_hand(connection: Connection, episode: Episode, who: str) -> int:
    """Insert the episode of a run that somebody asked for; return its id."""
    id_: Any = _ADD.value(
        connection,
        fingerprint=episode.fingerprint,
        state=EpisodeState.BY_HAND,
        labels=dict(episode.labels),
        annotations=dict(episode.annotations),
        generator_url="",
        sender=f"{BY_HAND}{who}",
        starts_at=episode.starts_at,
        received_at=episode.received_at,
        notified_at=episode.notified_at,
    )
    return int(id_)


def notified(connection: Connection, ids: Sequence[int], now: float) -> None:
    """Note that these were notified again."""
    if ids:
        _NOTIFIED.change(connection, ids=listed(ids), now=now)


def close(connection: Connection, id_: int, ends_at: float | None, now: float, reason: str) -> bool:
    """Close an episode; tell whether it was not closed before."""
    return _CLOSE.change(connection, which=id_, end=ends_at, now=now, why=reason) == 1


def reopen(connection: Connection, id_: int) -> None:
    """Turn a returning episode into an open one."""
    connection.execute(update(episodes).where(episodes.c.id == id_).values(state=EpisodeState.OPEN))


def seen_active(connection: Connection, id_: int, now: float) -> None:
    """Note that the first of two questions found a returning episode active."""
    connection.execute(update(episodes).where(episodes.c.id == id_).values(seen_active_at=now))


def in_state(connection: Connection, state: EpisodeState) -> list[tuple[Episode, float | None]]:
    """Return the episodes of a state, each with the time at which it was first seen active again."""
    rows = _IN_STATE.rows(connection, state=state)
    return [(episode(row), row.seen_active_at) for row in rows]


def watched(connection: Connection, limit: int | None = None) -> list[Episode]:
    """Return the open episodes as far as one asks others about them: without their annotations."""
    query = select(episodes.c.id, episodes.c.fingerprint, episodes.c.labels, *_TIMES).where(*_OPEN)
    return [
        Episode(row.id, row.fingerprint, row.labels, {}, *row[3:]) for row in connection.execute(query.limit(limit))
    ]


def reached(connection: Connection, received: float, after: float | None) -> set[int]:
    """Return the open episodes that were received until then; `after`: only those that were not before that.

    One that was returning may have opened when it was old already, so it is found always.
    """
    query = select(episodes.c.id).where(*_OPEN, episodes.c.received_at <= received)
    if after is not None:
        query = query.where(or_(episodes.c.received_at > after, episodes.c.seen_active_at.is_not(None)))
    return set(connection.scalars(query))


def episode(row: AnyRow) -> Episode:
    """Make an episode from a row that holds `EPISODE`."""
    return Episode(
        row.episode_id,
        row.fingerprint,
        row.labels,
        row.annotations,
        row.starts_at,
        row.received_at,
        row.notified_at,
        by_hand=row.by_hand,
    )


EPISODE = (
    episodes.c.id.label("episode_id"),
    episodes.c.fingerprint,
    episodes.c.labels,
    episodes.c.annotations,
    *_TIMES,
    (episodes.c.state == EpisodeState.BY_HAND).label("by_hand"),
)
"""The columns that `episode` wants: to read all of them takes twice as long."""
_IN_STATE = Prepared(
    select(*EPISODE, episodes.c.seen_active_at).where(UNCLOSED, episodes.c.state == bindparam("state"))
)
_OF_THESE = among(episodes.c.fingerprint, "fingerprints")
_UNCLOSED = Prepared(
    select(episodes.c.id, episodes.c.fingerprint, episodes.c.state, episodes.c.starts_at).where(_OF_THESE, UNCLOSED)
)
_ASKED = func.json_each(bindparam("fingerprints", type_=Text)).table_valued("value", name="asked")
_EARLIER = episodes.alias("earlier")
_LATEST = (
    select(_EARLIER.c.id)
    .where(_EARLIER.c.fingerprint == _ASKED.c.value, _EARLIER.c.state == EpisodeState.CLOSED)
    .order_by(_EARLIER.c.received_at.desc())
    .limit(_REMEMBERED)
)
_CLOSED = Prepared(
    select(episodes.c.fingerprint, episodes.c.ends_at, episodes.c.starts_at)
    .join_from(_ASKED, episodes, episodes.c.id.in_(_LATEST.correlate(_ASKED)))
    .order_by(episodes.c.id)
)
_ENDED = Prepared(
    select(episodes.c.id)
    .where(
        episodes.c.fingerprint == bindparam("fingerprint"),
        episodes.c.state == EpisodeState.CLOSED,
        episodes.c.starts_at == bindparam("begin"),
        episodes.c.ends_at == bindparam("end"),
    )
    .limit(1)
)
_ADD = Prepared(
    insert(episodes).returning(episodes.c.id),
    "fingerprint",
    "state",
    "labels",
    "annotations",
    "generator_url",
    "sender",
    "starts_at",
    "received_at",
    "notified_at",
)
_NOTIFIED = Prepared(update(episodes).where(among(episodes.c.id, "ids")).values(notified_at=bindparam("now")))
_CLOSE = Prepared(
    update(episodes)
    .where(episodes.c.id == bindparam("which"), episodes.c.state != EpisodeState.CLOSED)
    .values(
        state=EpisodeState.CLOSED,
        ends_at=bindparam("end"),
        closed_at=bindparam("now"),
        close_reason=bindparam("why"),
    )
)
