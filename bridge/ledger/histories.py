"""What the gates must know of the past, read for a whole round at once and kept right while the round gives slots."""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, bindparam, exists, func, or_, select

from bridge.decision.facts import Candidate, History, Pause
from bridge.decision.gates import HOUR
from bridge.ledger.schema import UNENDED, breaker_resets, breakers, decisions, episodes, pauses, runs
from bridge.policy.config import Limits
from bridge.policy.remediation import Remediation

AT_WORK = ("queued", "running", "verifying")
"""States of a run that take up one of the slots. One that waits for its next attempt keeps only its host busy."""
_CHUNK = 500


class Histories:
    """The memory of one round. A question for each kind of fact, however many candidates there are."""

    def __init__(
        self,
        connection: Connection,
        asked: Sequence[tuple[Candidate, Remediation]],
        limits: Limits,
        now: float,
        pause: Pause | None = None,
    ) -> None:
        """Read what matters for these candidates; `pause` is one that is not in the ledger."""
        self._connection, self._limits, self._now = connection, limits, now
        self._pauses = _pauses(connection, now) | ({"": pause} if pause else {})
        self._breakers = {row.remediation: row.reason for row in connection.execute(_BREAKERS)}
        self._busy: dict[str, set[int]] = {}
        """Runs that have a slot, by host."""
        self._at_work: set[int] = set()
        for row in connection.execute(_BUSY):
            self._busy.setdefault(row.host, set()).add(row.id)
            if row.state in AT_WORK:
                self._at_work.add(row.id)
        self._in_hour = connection.scalar(_IN_HOUR, {"since": now - HOUR}) or 0
        self._held = connection.scalar(_HELD) or 0
        since = now - limits.targets.window.total_seconds()
        rows = connection.execute(_HOSTS, {"since": since})
        self._hosts: dict[str, int] = {row[0]: row[1] for row in rows}
        """How many hosts each remediation touched within the window; a reset lets the window begin anew."""
        self._touched = self._of_these(asked, since)
        """(remediation, host) of those that were, among the hosts that are asked about."""
        self._ends = self._last_ends(asked)
        self._returns = self._earlier(asked)

    def of(self, candidate: Candidate, remediation: Remediation, *, run: int = 0, attempts: int = 0) -> History:
        """Return the history of one candidate; its own run, with the attempts behind it, is in nobody's way."""
        host_touched = (remediation.name, candidate.host) in self._touched
        returns, calm_at = self._flapping(candidate, remediation)
        busy = [id_ for id_ in self._busy.get(candidate.host, ()) if id_ != run]
        return History(
            pause=self._pauses.get("") or self._pauses.get(remediation.name),
            busy_with=min(busy, default=None),
            last_end=self._ends.get((remediation.name, candidate.target)),
            running=len(self._at_work) - (run in self._at_work),
            runs_in_hour=self._in_hour,
            other_hosts=self._hosts.get(remediation.name, 0) - host_touched,
            host_touched=host_touched,
            breaker=self._breakers.get(remediation.name),
            returns=returns,
            calm_at=calm_at,
            attempts=attempts,
            held=self._held,
        )

    def slot(self, run_id: int, remediation: str, host: str, *, first: bool) -> None:
        """Note that a run has got a slot in this round; `first`: for its first attempt."""
        self._busy.setdefault(host, set()).add(run_id)
        self._at_work.add(run_id)
        if (remediation, host) not in self._touched:
            self._touched.add((remediation, host))
            self._hosts[remediation] = self._hosts.get(remediation, 0) + 1
        self._in_hour += first

    @property
    def free_slots(self) -> int:
        """How many more runs may be started now."""
        return min(self._limits.concurrent - len(self._at_work), self._limits.runs_per_hour - self._in_hour)

    @property
    def next_slot_at(self) -> float | None:
        """When one run more may be started; None: the last hour does not keep it from that."""
        if self._in_hour < self._limits.runs_per_hour:
            return None
        which = {"since": self._now - HOUR, "later": self._limits.runs_per_hour - 1}
        started: float | None = self._connection.scalar(_SLOT, which)
        return None if started is None else started + HOUR

    def tripped(self, remediation: str, reason: str) -> None:
        """Note that a breaker has opened in this round."""
        self._breakers[remediation] = reason

    def _flapping(self, candidate: Candidate, remediation: Remediation) -> tuple[int, float | None]:
        """Return how often an alert came back, and when that is no longer too often, where it is."""
        rule, within = remediation.flapping, remediation.flapping.within.total_seconds()
        earlier = self._returns.get(candidate.episode.fingerprint, ())
        came = sorted(at for id_, at in earlier if id_ != candidate.episode.id and at > self._now - within)
        return len(came), came[-rule.times] + within if len(came) >= rule.times else None

    def _of_these(self, asked: Sequence[tuple[Candidate, Remediation]], since: float) -> set[tuple[str, str]]:
        found: set[tuple[str, str]] = set()
        for chunk in _chunks(sorted({candidate.host for candidate, _ in asked})):
            rows = self._connection.execute(_TOUCHED, {"since": since, "hosts": chunk})
            found.update((name, host) for name, host in rows)
        return found

    def _last_ends(self, asked: Sequence[tuple[Candidate, Remediation]]) -> dict[tuple[str, str], float]:
        targets: dict[str, set[str]] = {}
        for candidate, remediation in asked:
            targets.setdefault(remediation.name, set()).add(candidate.target)
        found = {}
        for name, wanted in targets.items():
            for chunk in _chunks(sorted(wanted)):
                which = {"name": name, "targets": chunk}
                found.update({(name, target): end for target, end in self._connection.execute(_ENDS, which) if end})
        return found

    def _earlier(self, asked: Sequence[tuple[Candidate, Remediation]]) -> dict[str, list[tuple[int, float]]]:
        """Return (episode, receipt) of what was decided on before, by fingerprint; what was stale is none of it."""
        longest = max((r.flapping.within.total_seconds() for _, r in asked), default=0.0)
        found: dict[str, list[tuple[int, float]]] = {}
        for chunk in _chunks(sorted({candidate.episode.fingerprint for candidate, _ in asked})):
            for row in self._connection.execute(_EARLIER, {"fingerprints": chunk, "since": self._now - longest}):
                found.setdefault(row.fingerprint, []).append((row.id, row.received_at))
        return found


def _pauses(connection: Connection, now: float) -> dict[str, Pause]:
    rows = connection.execute(_PAUSES, {"now": now})
    return {row.remediation: Pause(row.remediation, row.reason, row.until) for row in rows}


def _chunks(values: list[Any]) -> Iterable[list[Any]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))


_PAUSES = select(pauses).where(or_(pauses.c.until.is_(None), pauses.c.until > bindparam("now")))
_BREAKERS = select(breakers)
_BUSY = select(runs.c.id, runs.c.host, runs.c.state).where(UNENDED, runs.c.slot_at.is_not(None))
_HELD = select(func.count()).where(decisions.c.due_at.is_not(None))
_IN_HOUR = select(func.count()).select_from(runs).where(runs.c.slot_at > bindparam("since"))
_SLOT = (
    select(runs.c.slot_at)
    .where(runs.c.slot_at > bindparam("since"))
    .order_by(runs.c.slot_at.desc())
    .limit(1)
    .offset(bindparam("later"))
)
_IN_WINDOW = (
    select(runs.c.remediation)
    .select_from(runs.outerjoin(breaker_resets, breaker_resets.c.remediation == runs.c.remediation))
    .where(runs.c.slot_at > bindparam("since"), runs.c.slot_at > func.coalesce(breaker_resets.c.at, 0.0))
)
_HOSTS = _IN_WINDOW.add_columns(func.count(runs.c.host.distinct())).group_by(runs.c.remediation)
_TOUCHED = _IN_WINDOW.add_columns(runs.c.host).where(runs.c.host.in_(bindparam("hosts", expanding=True))).distinct()
_ENDS = (
    select(runs.c.target, func.max(runs.c.ended_at))
    .where(
        runs.c.remediation == bindparam("name"),
        runs.c.target.in_(bindparam("targets", expanding=True)),
        runs.c.started_at.is_not(None),
    )
    .group_by(runs.c.target)
)
_DECIDED = exists().where(decisions.c.episode_id == episodes.c.id, decisions.c.remediation != "")
_EARLIER = select(episodes.c.fingerprint, episodes.c.id, episodes.c.received_at).where(
    episodes.c.fingerprint.in_(bindparam("fingerprints", expanding=True)),
    episodes.c.received_at > bindparam("since"),
    _DECIDED,
)
"""Made once: to build a statement takes longer than SQLite takes to carry it out."""
