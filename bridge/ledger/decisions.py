"""Decisions: one current row for each episode and remediation; a held one is updated in place, a change adds one."""

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, insert, or_, select, update

from bridge.decision.facts import UNWRITTEN, Candidate
from bridge.decision.gates import Decision, Verdict
from bridge.ledger.episodes import EPISODE, EpisodeState, episode
from bridge.ledger.prepared import Prepared, among, listed
from bridge.ledger.schema import CURRENT, AnyRow, decisions, episodes, runs

PENDING = "pending"
"""A row that waits for its first decision; it is due at once, and no page shows it."""
_BATCH = 500


def add(connection: Connection, rows: Sequence[tuple[int, str, str, str, Decision | None]], now: float) -> None:
    """Insert current rows: (episode, remediation, host, target, decision or None for one that is due at once)."""
    _ADD.each(
        connection,
        [
            {
                "at": now,
                "episode_id": episode_id,
                "remediation": remediation,
                "host": host,
                "target": target,
                "decision": PENDING if decision is None else decision.verdict,
                "reason": "" if decision is None else decision.reason,
                "due_at": now if decision is None else decision.due,
                "run_id": None,
                "current": True,
                "looks": 0,
                "looked_at": now,
            }
            for episode_id, remediation, host, target, decision in rows
        ],
    )


def due(connection: Connection, now: float) -> list[Candidate]:
    """Return what is to be looked at now: first what is new, then the longest waiting; a run looks after itself."""
    rows = _NEW_NOW.rows(connection, now=now)
    if len(rows) < _BATCH:
        rows += _DUE_NOW.rows(connection, now=now)[: _BATCH - len(rows)]
    return [_candidate(row) for row in rows]


def any_new(connection: Connection, now: float) -> bool:
    """Tell whether anything that is written down waits for its first decision."""
    return _ANY_BY.row(connection, verdict=PENDING, moment=now) is not None


def current(connection: Connection, episode_id: int, remediation: str) -> Candidate | None:
    """Return the current row of an episode and a remediation."""
    row = _CURRENT.row(connection, episode=episode_id, name=remediation)
    return _candidate(row) if row else None


def still_held(connection: Connection, candidates: Sequence[Candidate]) -> set[int]:
    """Return the ids of those rows that still wait: an episode may have closed since they were read."""
    written = {candidate.decision_id for candidate in candidates} - {UNWRITTEN}
    found = _STILL_HELD.rows(connection, ids=listed(written)) if written else ()
    return {UNWRITTEN, *(row.id for row in found)}


def rows_of(connection: Connection, episode_ids: Sequence[int]) -> dict[int, list[AnyRow]]:
    """Return the current rows of episodes."""
    found: dict[int, list[AnyRow]] = {}
    for row in _ROWS_OF.rows(connection, ids=listed(episode_ids)):
        found.setdefault(row.episode_id, []).append(row)
    return found


class Entry(NamedTuple):
    """A verdict to be written down, with the run that it led to."""

    candidate: Candidate
    decision: Decision
    run_id: int | None = None

    @property
    def is_news(self) -> bool:
        """Whether it is another verdict than before."""
        return self.candidate.verdict != self.decision.verdict


def record(connection: Connection, entries: Sequence[Entry], now: float) -> None:
    """Write verdicts down: the same one again in its row, another one in a row of its own."""
    again: list[dict[str, Any]] = []
    first: list[dict[str, Any]] = []
    past: list[dict[str, Any]] = []
    added: list[dict[str, Any]] = []
    for entry in entries:
        candidate = entry.candidate
        if candidate.decision_id == UNWRITTEN:
            added.append(_fresh(entry, now))
        elif not entry.is_news:
            again.append({**_row(entry, now), "looks_now": candidate.looks + 1})
        elif candidate.verdict == PENDING:
            first.append(_row(entry, now))
        else:
            past.append({"which": candidate.decision_id, "now": now})
            added.append(_fresh(entry, now))
    for statement, rows in ((_AGAIN, again), (_FIRST, first), (_PAST, past), (_ADD, added)):
        statement.each(connection, rows)


def retire(connection: Connection, ids: Iterable[int], now: float) -> None:
    """Make rows past, because their episodes are decided on anew."""
    _PAST.each(connection, [{"which": id_, "now": now} for id_ in ids])


def finish(connection: Connection, episode_id: int, verdict: Verdict, reason: str, now: float) -> list[tuple[str, str]]:
    """Give every held decision of an episode its final verdict; return (remediation, verdict) of each."""
    rows = _HELD_OF.rows(connection, episode=episode_id)
    record(connection, [Entry(_candidate(row), Decision(verdict, reason), row.run_id) for row in rows], now)
    if woken := sum(row.decision == Verdict.LIMITED and row.due_at <= now for row in rows):
        wake_some(connection, Verdict.LIMITED, now, woken)  # the slot for which it was woken is another's
    return [(row.remediation, str(verdict)) for row in rows]


def wake(connection: Connection, verdicts: Iterable[Verdict], now: float) -> None:
    """Make what is held due now, retries too, because the reason may have ended."""
    _wake(connection, _HELD_WITH.rows(connection, verdicts=listed(verdicts), now=now), now)


def wake_on(
    connection: Connection, verdict: Verdict, now: float, *, hosts: Iterable[str], targets: Iterable[str]
) -> None:
    """Do as `wake` with what is held on these hosts, or about these targets."""
    places = {"hosts": listed(hosts), "targets": listed(targets)}
    _wake(connection, _HELD_ON.rows(connection, verdict=verdict, now=now, **places), now)


def wake_some(connection: Connection, verdict: Verdict, now: float, count: int) -> bool:
    """Make the longest held ones with a verdict due now, since there is room for about so many; tell of any."""
    return _wake(connection, _LONGEST_HELD.rows(connection, verdict=verdict, count=count, now=now), now)


def look_at(connection: Connection, verdict: Verdict, moment: float, count: int) -> None:
    """Let some of the longest held ones with a verdict be looked at then, unless others are before."""
    if _ANY_BY.row(connection, verdict=verdict, moment=moment) is None:
        _wake(connection, _LONGEST_HELD.rows(connection, verdict=verdict, count=count, now=moment), moment)


def _wake(connection: Connection, rows: Sequence[AnyRow], now: float) -> bool:
    """Tell whether there was anything to wake."""
    _DUE.each(connection, [{"which": row.id, "now": now} for row in rows])
    _RUN_DUE.each(connection, [{"which": row.run_id, "now": now} for row in rows if row.run_id is not None])
    return bool(rows)


def with_episodes(connection: Connection, episode_ids: Sequence[int]) -> list[AnyRow]:
    """Return (current decision with its episode) for those of these episodes that are open and have a remediation."""
    return _WITH_EPISODES.rows(connection, ids=listed(episode_ids))


def _row(entry: Entry, now: float) -> dict[str, Any]:
    decision = entry.decision
    told = {"said": decision.verdict, "why": decision.reason, "due": decision.due}
    return {"which": entry.candidate.decision_id, "now": now, "run": entry.run_id, **told}


def _fresh(entry: Entry, now: float) -> dict[str, Any]:
    candidate, decision = entry.candidate, entry.decision
    keys = {"episode_id": candidate.episode.id, "remediation": candidate.remediation}
    place = {"host": candidate.host, "target": candidate.target}
    said = {"decision": decision.verdict, "reason": decision.reason, "due_at": decision.due, "run_id": entry.run_id}
    return {**keys, **place, **said, "at": now, "looked_at": now, "current": True, "looks": 0}


def _candidate(row: AnyRow) -> Candidate:
    return Candidate(row.id, episode(row), *row[1:7])


_CANDIDATES = select(
    *(decisions.c[name] for name in ("id", "remediation", "host", "target", "decision", "at", "looks", "run_id")),
    *EPISODE,
).join_from(decisions, episodes)
"""A candidate's columns, its run, its episode."""
_WITH_EPISODES = Prepared(
    select(decisions.c.remediation, decisions.c.decision, decisions.c.reason, decisions.c.at, decisions.c.run_id)
    .add_columns(*EPISODE)
    .join_from(decisions, episodes)
    .where(CURRENT, decisions.c.remediation != "", episodes.c.state == EpisodeState.OPEN)
    .where(among(decisions.c.episode_id, "ids"))
)
HELD = (decisions.c.due_at.is_not(None), decisions.c.run_id.is_(None))
_ANY_DUE = (
    _CANDIDATES.where(
        decisions.c.due_at <= bindparam("now"),
        decisions.c.run_id.is_(None),
        or_(episodes.c.state == EpisodeState.OPEN, episodes.c.state == EpisodeState.BY_HAND),
    )
    .order_by(decisions.c.due_at, decisions.c.id)
    .limit(_BATCH)
)
_NEW_NOW = Prepared(_ANY_DUE.where(decisions.c.decision == PENDING))
_DUE_NOW = Prepared(_ANY_DUE.where(decisions.c.decision != PENDING))
"""Thousands that are held must not stand before what has just come."""
_STILL_HELD = Prepared(select(decisions.c.id).where(among(decisions.c.id, "ids"), CURRENT, *HELD))
_OF_EPISODE = _CANDIDATES.where(CURRENT, decisions.c.episode_id == bindparam("episode"))
_CURRENT = Prepared(_OF_EPISODE.where(decisions.c.remediation == bindparam("name")))
_HELD_OF = Prepared(_OF_EPISODE.where(decisions.c.due_at.is_not(None)).add_columns(decisions.c.due_at))
_ROWS_OF = Prepared(select(decisions).where(CURRENT, among(decisions.c.episode_id, "ids")).order_by(decisions.c.id))
_ADD = Prepared(
    insert(decisions),
    "at",
    "episode_id",
    "remediation",
    "host",
    "target",
    "decision",
    "reason",
    "run_id",
    "due_at",
    "current",
    "looks",
    "looked_at",
)
_SAID: dict[str, Any] = {
    "reason": bindparam("why"),
    "due_at": bindparam("due"),
    "run_id": bindparam("run"),
    "looked_at": bindparam("now"),
}
_THIS = update(decisions).where(decisions.c.id == bindparam("which"))
_LATER = select(decisions.c.id, decisions.c.run_id).where(decisions.c.due_at > bindparam("now"))
_HELD_WITH = Prepared(_LATER.where(among(decisions.c.decision, "verdicts")))
_HELD_ON = Prepared(
    _LATER.where(
        decisions.c.decision == bindparam("verdict"),
        or_(among(decisions.c.host, "hosts"), among(decisions.c.target, "targets")),
    )
)
_LONGEST_HELD = Prepared(
    _LATER.where(decisions.c.decision == bindparam("verdict")).order_by(decisions.c.due_at).limit(bindparam("count"))
)
_ANY_BY = Prepared(
    select(decisions.c.id)
    .where(decisions.c.decision == bindparam("verdict"), decisions.c.due_at <= bindparam("moment"))
    .limit(1)
)
_DUE = Prepared(_THIS.values(due_at=bindparam("now")))
_RUN_DUE = Prepared(
    update(runs)
    .where(runs.c.id == bindparam("which"), runs.c.due_at > bindparam("now"))
    .values(due_at=bindparam("now"))
)
_AGAIN = Prepared(_THIS.values(**_SAID, looks=bindparam("looks_now")))
_FIRST = Prepared(_THIS.values(**_SAID, decision=bindparam("said"), at=bindparam("now")))
_PAST = Prepared(_THIS.values(current=False, due_at=None, looked_at=bindparam("now")))
