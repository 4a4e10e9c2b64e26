"""Decisions: one current row for each episode and remediation; a held one is updated in place, a change adds one."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, and_, distinct, func, insert, or_, select, update

from bridge.config import Limits
from bridge.facts import Candidate, History, Pause
from bridge.gates import HOUR, Decision, Verdict
from bridge.ledger.episodes import EpisodeState, episode
from bridge.ledger.schema import AnyRow, breakers, decisions, episodes, pauses, runs
from bridge.policy import Remediation

PENDING = "pending"
"""A row that waits for its first decision; it is due at once, and no page shows it."""
ACTIVE = ("queued", "running", "verifying", "waiting")
"""States of a run that keep its host busy."""
AT_WORK = ("queued", "running", "verifying")
"""States of a run that take up one of the slots."""
_BATCH = 500


def add(connection: Connection, rows: Sequence[tuple[int, str, str, str, Decision | None]], now: float) -> None:
    """Insert current rows: (episode, remediation, host, target, decision or None for one that is due at once)."""
    values = [
        {
            "at": now,
            "episode_id": episode_id,
            "remediation": remediation,
            "host": host,
            "target": target,
            "decision": PENDING if decision is None else decision.verdict,
            "reason": "" if decision is None else decision.reason,
            "due_at": now if decision is None else decision.due,
            "current": True,
            "looks": 0,
            "looked_at": now,
        }
        for episode_id, remediation, host, target, decision in rows
    ]
    if values:
        connection.execute(insert(decisions), values)


def add_malformed(connection: Connection, subject: Any, reason: str, now: float) -> None:
    """Record one alert that is none, once for the same content as long as the last such rows go back."""
    latest = (
        select(decisions).where(decisions.c.decision == Verdict.MALFORMED).order_by(decisions.c.id.desc()).limit(20)
    )
    for row in connection.execute(latest):
        if row.subject == subject:
            touch = update(decisions).where(decisions.c.id == row.id)
            connection.execute(touch.values(looks=row.looks + 1, looked_at=now))
            return
    values = {"at": now, "remediation": "", "host": "", "target": "", "decision": Verdict.MALFORMED, "reason": reason}
    connection.execute(insert(decisions).values(current=False, looks=0, looked_at=now, subject=subject, **values))


def due(connection: Connection, now: float) -> list[Candidate]:
    """Return what is to be looked at now, the longest waiting first; a run that is held looks after itself."""
    query = (
        select(decisions, episodes)
        .join(episodes, episodes.c.id == decisions.c.episode_id)
        .where(
            decisions.c.current,
            decisions.c.due_at <= now,
            decisions.c.run_id.is_(None),
            episodes.c.state == EpisodeState.OPEN,
        )
        .order_by(decisions.c.due_at, decisions.c.id)
        .limit(_BATCH)
    )
    return [_candidate(row) for row in connection.execute(query)]


def current(connection: Connection, episode_id: int, remediation: str) -> Candidate | None:
    """Return the current row of an episode and a remediation."""
    query = select(decisions, episodes).join(episodes, episodes.c.id == decisions.c.episode_id)
    row = connection.execute(
        query.where(decisions.c.current, decisions.c.episode_id == episode_id, decisions.c.remediation == remediation)
    ).first()
    return _candidate(row) if row else None


def is_current(connection: Connection, decision_id: int) -> bool:
    """Tell whether a row is still the current one: an episode may have closed since it was read."""
    return connection.scalar(select(decisions.c.current).where(decisions.c.id == decision_id)) is True


def remediations_of(connection: Connection, episode_id: int) -> list[tuple[str, int | None]]:
    """Return the remediations that an episode has, each with its run."""
    query = select(decisions.c.remediation, decisions.c.run_id).where(
        decisions.c.episode_id == episode_id, decisions.c.current, decisions.c.remediation != ""
    )
    return [(row.remediation, row.run_id) for row in connection.execute(query)]


def next_due(connection: Connection) -> float | None:
    """Return when the next held one is to be looked at."""
    mine = (decisions.c.current, decisions.c.run_id.is_(None))
    first: float | None = connection.scalar(select(func.min(decisions.c.due_at)).where(*mine))
    return first


def record(
    connection: Connection, candidate: Candidate, decision: Decision, now: float, run_id: int | None = None
) -> bool:
    """Write a verdict down; tell whether it is another one than before."""
    row = decisions.c.id == candidate.decision_id
    values: dict[str, Any] = {"reason": decision.reason, "due_at": decision.due, "looked_at": now, "run_id": run_id}
    if candidate.verdict == decision.verdict:
        connection.execute(update(decisions).where(row).values(looks=candidate.looks + 1, **values))
        return False
    if candidate.verdict == PENDING:
        connection.execute(update(decisions).where(row).values(decision=decision.verdict, at=now, **values))
        return True
    connection.execute(update(decisions).where(row).values(current=False, due_at=None, looked_at=now))
    keys = {"episode_id": candidate.episode.id, "remediation": candidate.remediation}
    place = {"host": candidate.host, "target": candidate.target}
    fresh = {"at": now, "decision": decision.verdict, "current": True, "looks": 0}
    connection.execute(insert(decisions).values(**keys, **place, **fresh, **values))
    return True


def finish(connection: Connection, episode_id: int, verdict: Verdict, reason: str, now: float) -> list[tuple[str, str]]:
    """Give every held decision of an episode its final verdict; return (remediation, verdict) of each."""
    finished = []
    held = and_(decisions.c.episode_id == episode_id, decisions.c.current, decisions.c.due_at.is_not(None))
    for row in connection.execute(select(decisions, episodes).join(episodes).where(held)).all():
        record(connection, _candidate(row), Decision(verdict, reason), now, row.run_id)
        finished.append((row.remediation, str(verdict)))
    return finished


def wake(connection: Connection, verdicts: Iterable[Verdict], now: float, host: str | None = None) -> None:
    """Make held decisions due now, because their reason may have ended."""
    which = [decisions.c.current, decisions.c.due_at > now, decisions.c.decision.in_(list(verdicts))]
    if host is not None:
        which.append(or_(decisions.c.host == host, decisions.c.decision == Verdict.LIMITED))
    connection.execute(update(decisions).where(*which).values(due_at=now))


def history(
    connection: Connection,
    candidate: Candidate,
    remediation: Remediation,
    limits: Limits,
    *,
    now: float,
    run: int = 0,
    attempts: int = 0,
) -> History:
    """Return what the ledger remembers that matters for one candidate, in one question.

    `run` is the candidate's own, which is in nobody's way, with the attempts that it has behind it.
    """
    same = runs.c.remediation == remediation.name
    in_window = and_(same, runs.c.slot_at > now - limits.targets.window.total_seconds())
    earlier = and_(
        episodes.c.fingerprint == candidate.episode.fingerprint,
        episodes.c.id != candidate.episode.id,
        episodes.c.received_at > now - remediation.flapping.within.total_seconds(),
    )
    ended = and_(same, runs.c.target == candidate.target, runs.c.started_at.is_not(None))
    query = select(
        select(func.min(runs.c.id))
        .where(runs.c.host == candidate.host, runs.c.state.in_(ACTIVE), runs.c.id != run)
        .scalar_subquery()
        .label("busy_with"),
        select(func.max(runs.c.ended_at)).where(ended).scalar_subquery().label("last_end"),
        select(func.count()).where(runs.c.state.in_(AT_WORK)).scalar_subquery().label("running"),
        select(func.count()).where(runs.c.slot_at > now - HOUR).scalar_subquery().label("runs_in_hour"),
        select(func.count(distinct(runs.c.host)))
        .where(in_window, runs.c.host != candidate.host)
        .scalar_subquery()
        .label("other_hosts"),
        select(func.count()).where(in_window, runs.c.host == candidate.host).scalar_subquery().label("touched"),
        select(breakers.c.reason).where(breakers.c.remediation == remediation.name).scalar_subquery().label("breaker"),
        select(func.count()).select_from(episodes).where(earlier).scalar_subquery().label("returns"),
    )
    row = connection.execute(query).one()
    return History(
        pause=pause(connection, remediation.name, now),
        busy_with=row.busy_with,
        last_end=row.last_end,
        running=row.running,
        runs_in_hour=row.runs_in_hour,
        other_hosts=row.other_hosts,
        host_touched=row.touched > 0,
        breaker=row.breaker,
        returns=row.returns,
        attempts=attempts,
    )


def pause(connection: Connection, remediation: str, now: float) -> Pause | None:
    """Return the pause that holds now for a remediation, if there is one."""
    query = select(pauses).where(
        pauses.c.remediation.in_(("", remediation)), or_(pauses.c.until.is_(None), pauses.c.until > now)
    )
    row = connection.execute(query).first()
    return Pause(row.remediation, row.reason, row.until) if row else None


def _candidate(row: AnyRow) -> Candidate:
    place = (row.remediation, row.host, row.target)
    return Candidate(row.id, episode(row), *place, verdict=row.decision, since=row.at, looks=row.looks)
