"""What the HTTP interface shows: pages of runs, decisions and episodes, the newest first, as plain dicts."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, Select, func, or_, select

from bridge.escalation.stories import moment
from bridge.ledger.decisions import PENDING
from bridge.ledger.episodes import BY_HAND
from bridge.ledger.prepared import among, listed
from bridge.ledger.schema import UNCLOSED, UNENDED, AnyRow, attempts, decisions, episodes, escalations, runs, steps
from bridge.ledger.schema import breakers as breakers_
from bridge.ledger.schema import pauses as pauses_

MOST = 1000
"""Rows of a page."""


def run_page(
    connection: Connection,
    *,
    limit: int = MOST,
    after: int | None = None,
    remediation: str | None = None,
    outcome: str | None = None,
    state: str | None = None,
) -> list[dict[str, Any]]:
    """Return runs, each without what its steps printed."""
    query = _RUNS if outcome is None else _RUNS.where(runs.c.outcome == outcome)
    query = query if state is None else query.where(runs.c.state == state, UNENDED)
    rows = connection.execute(_page(query, runs, limit, after, remediation)).all()
    journal = _journal(connection, [row.id for row in rows])
    return [_run(row, journal.get(row.id, [])) for row in rows]


def run(connection: Connection, run_id: int) -> dict[str, Any] | None:
    """Return one run with its attempts and with what its steps printed."""
    row = connection.execute(_RUNS.where(runs.c.id == run_id)).first()
    if row is None:
        return None
    shown = _run(row, _journal(connection, [run_id], output=True).get(run_id, []))
    made = connection.execute(select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.number))
    shown["tries"] = [
        {
            "number": attempt.number,
            "started_at": _when(attempt.started_at),
            "ended_at": _when(attempt.ended_at),
            "verification": attempt.verification,
        }
        for attempt in made
    ]
    mine = (decisions.c.episode_id == row.episode_id, decisions.c.remediation == row.remediation)
    query = _DECISIONS.where(*mine).order_by(decisions.c.id)
    shown["decisions"] = [_decision(each) for each in connection.execute(query)]
    told = connection.execute(select(escalations).where(escalations.c.run_id == run_id).order_by(escalations.c.id))
    shown["escalations"] = [
        {"at": _when(row.at), "level": row.level, "notifier": row.notifier, "state": row.state, "error": row.error}
        for row in told
    ]
    return shown


def decision_page(
    connection: Connection,
    *,
    limit: int = MOST,
    after: int | None = None,
    remediation: str | None = None,
    outcome: str | None = None,
) -> list[dict[str, Any]]:
    """Return decisions; `outcome` is that of the run that a decision led to."""
    query = _DECISIONS
    if outcome is not None:
        query = query.join(runs, runs.c.id == decisions.c.run_id).where(runs.c.outcome == outcome)
    return [_decision(row) for row in connection.execute(_page(query, decisions, limit, after, remediation))]


def episode_page(
    connection: Connection, *, limit: int = MOST, after: int | None = None, closed: bool | None = None
) -> list[dict[str, Any]]:
    """Return episodes with their current verdicts; only the closed ones, or only the others, where it is said."""
    query = select(episodes)
    if closed is not None:
        query = query.where(episodes.c.closed_at.is_not(None) if closed else UNCLOSED)
    rows = connection.execute(_page(query, episodes, limit, after, None)).all()
    verdicts = current_verdicts(connection, [row.id for row in rows])
    return [
        {
            "id": row.id,
            **_episode(row),
            "by_hand": _asked_by(row),
            "state": row.state,
            "received_at": _when(row.received_at),
            "notified_at": _when(row.notified_at),
            "closed_at": _when(row.closed_at),
            "close_reason": row.close_reason,
            "verdicts": verdicts.get(row.id, []),
        }
        for row in rows
    ]


def current_verdicts(connection: Connection, episode_ids: Sequence[int]) -> dict[int, list[dict[str, Any]]]:
    """Return what was decided last on each of these episodes, with what has become of the run, by episode."""
    found: dict[int, list[dict[str, Any]]] = {}
    columns = (decisions, runs.c.state, runs.c.outcome, runs.c.reason.label("run_reason"))
    query = select(*columns).outerjoin(runs, runs.c.id == decisions.c.run_id).where(decisions.c.current)
    these = query.where(among(decisions.c.episode_id, "ids")).order_by(decisions.c.id)
    for row in connection.execute(these, {"ids": listed(episode_ids)}):
        run = None if row.run_id is None else {"state": row.state, "outcome": row.outcome, "reason": row.run_reason}
        found.setdefault(row.episode_id, []).append(
            {
                "remediation": row.remediation or None,
                "decision": row.decision,
                "reason": row.reason,
                "run_id": row.run_id,
                "run": run,
                "due_at": _when(row.due_at),
                "at": _when(row.at),
            }
        )
    return found


def count_unclosed(connection: Connection) -> int:
    """Return how many episodes are not closed."""
    return connection.scalar(select(func.count()).select_from(episodes).where(UNCLOSED)) or 0


def escalation_page(connection: Connection, *, limit: int = MOST, after: int | None = None) -> list[dict[str, Any]]:
    """Return messages to people, whether they were delivered yet or not."""
    return [
        {
            "id": row.id,
            "at": _when(row.at),
            "remediation": row.remediation or None,
            "level": row.level,
            "notifier": row.notifier,
            "title": row.title,
            "state": row.state,
        }
        for row in connection.execute(_page(select(escalations), escalations, limit, after, None))
    ]


def pauses(connection: Connection, now: float) -> list[dict[str, Any]]:
    """Return what is paused now; `remediation` None is everything."""
    query = select(pauses_).where(or_(pauses_.c.until.is_(None), pauses_.c.until > now)).order_by(pauses_.c.at)
    return [
        {"remediation": row.remediation or None, "reason": row.reason, "until": _when(row.until), "at": _when(row.at)}
        for row in connection.execute(query)
    ]


def breakers(connection: Connection) -> list[dict[str, Any]]:
    """Return the breakers that are open."""
    rows = connection.execute(select(breakers_).order_by(breakers_.c.at))
    return [{"remediation": row.remediation, "reason": row.reason, "at": _when(row.at)} for row in rows]


def _page(query: Select[Any], table: Any, limit: int, after: int | None, remediation: str | None) -> Select[Any]:
    if after is not None:
        query = query.where(table.c.id < after)
    if remediation is not None:
        query = query.where(table.c.remediation == remediation)
    return query.order_by(table.c.id.desc()).limit(min(max(limit, 1), MOST))


def _journal(connection: Connection, run_ids: list[int], *, output: bool = False) -> dict[int, list[dict[str, Any]]]:
    found: dict[int, list[dict[str, Any]]] = {}
    query = select(steps).where(steps.c.run_id.in_(run_ids)).order_by(steps.c.attempt, steps.c.position)
    for row in connection.execute(query):
        shown = {
            "attempt": row.attempt,
            "position": row.position,
            "action": row.action,
            "outcome": row.outcome,
            "reason": row.reason,
            "exit_code": row.exit_code,
            "started_at": _when(row.started_at),
            "ended_at": _when(row.ended_at),
        }
        found.setdefault(row.run_id, []).append({**shown, "output": row.output} if output else shown)
    return found


def _run(row: AnyRow, journal: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "id": row.id,
        "remediation": row.remediation,
        "host": row.host,
        "target": row.target,
        "state": row.state,
        "outcome": row.outcome,
        "reason": row.reason,
        "attempts": row.attempts,
        "by_hand": _asked_by(row),
        "episode": _episode(row),
        "created_at": _when(row.created_at),
        "started_at": _when(row.started_at),
        "ended_at": _when(row.ended_at),
        "due_at": _when(row.due_at),
        "steps": journal,
    }


def _decision(row: AnyRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "at": _when(row.at),
        "episode": None if row.episode_id is None else _episode(row),
        "remediation": row.remediation or None,
        "host": row.host or None,
        "target": row.target or None,
        "decision": row.decision,
        "reason": row.reason,
        "run_id": row.run_id,
        "due_at": _when(row.due_at),
        "current": row.current,
        "looks": row.looks + 1,
        "looked_at": _when(row.looked_at),
    }


def _episode(row: AnyRow) -> dict[str, Any]:
    return {"fingerprint": row.fingerprint, "starts_at": _when(row.starts_at), "labels": row.labels}


def _asked_by(row: AnyRow) -> str | None:
    """Return who asked for what is no alert."""
    sender: str = row.sender
    return sender.removeprefix(BY_HAND) if sender.startswith(BY_HAND) else None


def _when(unix: float | None) -> str | None:
    return None if unix is None else moment(unix)


_RUNS = select(runs, episodes.c.fingerprint, episodes.c.starts_at, episodes.c.labels, episodes.c.sender).join(
    episodes, episodes.c.id == runs.c.episode_id
)
_DECISIONS = (
    select(decisions, episodes.c.fingerprint, episodes.c.starts_at, episodes.c.labels)
    .outerjoin(episodes, episodes.c.id == decisions.c.episode_id)
    .where(decisions.c.decision != PENDING)
)
