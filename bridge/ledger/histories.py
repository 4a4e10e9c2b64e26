"""What the gates must know of the past, read for a whole round at once and kept right while the round gives slots."""

from collections.abc import Sequence

from sqlalchemy import Connection, bindparam, exists, func, or_, select

from bridge.decision.facts import Candidate, History, Pause
from bridge.decision.gates import HOUR
from bridge.ledger.prepared import Prepared, among, listed
from bridge.ledger.runs import Run
from bridge.ledger.schema import UNENDED, breaker_resets, breakers, decisions, episodes, pauses, runs
from bridge.policy.config import Limits
from bridge.policy.remediation import Remediation

AT_WORK = ("queued", "running", "verifying")
"""States of a run that take up one of the slots. One that waits for its next attempt keeps only its host busy."""


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
        since = now - limits.targets.window.total_seconds()
        (counts,) = _COUNTS.rows(connection, hour=now - HOUR, window=since)
        self._in_hour: int = counts.in_hour
        self._held: int = counts.held
        self._pauses = (_pauses(connection, now) if counts.pauses else {}) | ({"": pause} if pause else {})
        breakers = _BREAKERS.rows(connection) if counts.breakers else []
        self._breakers = {row.remediation: row.reason for row in breakers}
        self._busy: dict[str, set[int]] = {}
        """Runs that have a slot, by host."""
        self._busy_targets: dict[tuple[str, str], dict[int, str]] = {}
        """Their hosts, by (remediation, target): several hosts may share what a fix is about."""
        self._at_work: set[int] = set()
        for row in _UNENDED.rows(connection) if counts.unended else []:
            if row.slot_at is None:
                continue
            self._busies(row.id, row.remediation, row.host, row.target)
            if row.state in AT_WORK:
                self._at_work.add(row.id)
        self._hosts: dict[str, int] = {}
        """How many hosts each remediation touched within the window; a reset lets the window begin anew."""
        self._touched: set[tuple[str, str]] = set()
        """(remediation, host) of those that were, among the hosts that are asked about."""
        if counts.in_window + len(asked) >= limits.targets.max:  # with fewer runs no breaker can open
            self._hosts = dict(_HOSTS.rows(connection, since=since))
            self._touched = self._of_these(asked, since)
        self._ends = self._last_ends(asked)
        self._returns = self._earlier(asked)

    def of(self, candidate: Candidate, remediation: Remediation, *, run: int = 0, attempts: int = 0) -> History:
        """Return the history of one candidate; its own run, with the attempts behind it, is in nobody's way."""
        host_touched = (remediation.name, candidate.host) in self._touched
        returns, calm_at = self._flapping(candidate, remediation)
        busy_with, busy_host = self._in_the_way(candidate, remediation.name, run)
        return History(
            pause=self._pauses.get("") or self._pauses.get(remediation.name),
            busy_with=busy_with,
            busy_host=busy_host,
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

    def slot(self, run: Run, *, first: bool) -> None:
        """Note that a run has got a slot in this round; `first`: for its first attempt."""
        remediation, host = run.remediation, run.host
        self._busies(run.id, remediation, host, run.target)
        self._at_work.add(run.id)
        if (remediation, host) not in self._touched:
            self._touched.add((remediation, host))
            self._hosts[remediation] = self._hosts.get(remediation, 0) + 1
        self._in_hour += first

    @property
    def slots_to_fill(self) -> int:
        """How many more of what was held before this round may be started now."""
        return self.free_slots if self._held else 0

    @property
    def free_slots(self) -> int:
        """How many more runs may be started now."""
        return min(self._limits.concurrent - len(self._at_work), self._limits.runs_per_hour - self._in_hour)

    @property
    def next_slot_at(self) -> float | None:
        """When one run more may be started; None: the last hour does not keep it from that."""
        if self._in_hour < self._limits.runs_per_hour:
            return None
        later = self._limits.runs_per_hour - 1
        started: float | None = _SLOT.value(self._connection, since=self._now - HOUR, later=later)
        return None if started is None else started + HOUR

    def tripped(self, remediation: str, reason: str) -> None:
        """Note that a breaker has opened in this round."""
        self._breakers[remediation] = reason

    def _busies(self, run_id: int, remediation: str, host: str, target: str) -> None:
        self._busy.setdefault(host, set()).add(run_id)
        self._busy_targets.setdefault((remediation, target), {})[run_id] = host

    def _in_the_way(self, candidate: Candidate, remediation: str, own: int) -> tuple[int | None, str | None]:
        """Return which other run keeps the host busy, else the target, and then from which host."""
        if not self._busy_targets:
            return None, None
        here = min((id_ for id_ in self._busy.get(candidate.host, ()) if id_ != own), default=None)
        if here is not None:
            return here, None
        there = self._busy_targets.get((remediation, candidate.target), {})
        return min(((id_, host) for id_, host in there.items() if id_ != own), default=(None, None))

    def _flapping(self, candidate: Candidate, remediation: Remediation) -> tuple[int, float | None]:
        """Return how often an alert came back, and when that is no longer too often, where it is."""
        earlier = self._returns.get(candidate.episode.fingerprint, [])
        if not earlier or (len(earlier) == 1 and earlier[0][0] == candidate.episode.id):
            return 0, None
        rule, within = remediation.flapping, remediation.flapping.within.total_seconds()
        came = sorted(at for id_, at in earlier if id_ != candidate.episode.id and at > self._now - within)
        return len(came), came[-rule.times] + within if len(came) >= rule.times else None

    def _of_these(self, asked: Sequence[tuple[Candidate, Remediation]], since: float) -> set[tuple[str, str]]:
        hosts = listed({candidate.host for candidate, _ in asked})
        return set(_TOUCHED.rows(self._connection, since=since, hosts=hosts))

    def _last_ends(self, asked: Sequence[tuple[Candidate, Remediation]]) -> dict[tuple[str, str], float]:
        targets: dict[str, set[str]] = {}
        for candidate, remediation in asked:
            targets.setdefault(remediation.name, set()).add(candidate.target)
        found = {}
        for name, wanted in targets.items():
            ends = _ENDS.rows(self._connection, name=name, targets=listed(wanted))
            found.update({(name, target): end for target, end in ends if end})
        return found

    def _earlier(self, asked: Sequence[tuple[Candidate, Remediation]]) -> dict[str, list[tuple[int, float]]]:
        """Return (episode, receipt) of what was decided on before, by fingerprint; what was stale is none of it."""
        longest = max((r.flapping.within.total_seconds() for _, r in asked), default=0.0)
        found: dict[str, list[tuple[int, float]]] = {}
        fingerprints = listed({candidate.episode.fingerprint for candidate, _ in asked})
        for row in _EARLIER.rows(self._connection, fingerprints=fingerprints, since=self._now - longest):
            found.setdefault(row.fingerprint, []).append((row.id, row.received_at))
        return found


def _pauses(connection: Connection, now: float) -> dict[str, Pause]:
    rows = _PAUSES.rows(connection, now=now)
    return {row.remediation: Pause(row.remediation, row.reason, row.until) for row in rows}


_PAUSES = Prepared(select(pauses).where(or_(pauses.c.until.is_(None), pauses.c.until > bindparam("now"))))
_BREAKERS = Prepared(select(breakers))
_UNENDED = Prepared(
    select(runs.c.id, runs.c.remediation, runs.c.host, runs.c.target, runs.c.state, runs.c.slot_at).where(UNENDED)
)
_SLOTS = select(func.count()).select_from(runs)
_COUNTS = Prepared(
    select(
        _SLOTS.where(runs.c.slot_at > bindparam("hour")).scalar_subquery().label("in_hour"),
        _SLOTS.where(runs.c.slot_at > bindparam("window")).scalar_subquery().label("in_window"),
        select(func.count()).where(decisions.c.due_at.is_not(None)).scalar_subquery().label("held"),
        exists(select(runs.c.id).where(UNENDED)).label("unended"),
        exists(select(pauses.c.remediation)).label("pauses"),
        exists(select(breakers.c.remediation)).label("breakers"),
    )
)
"""Most that is asked for below is not there, most of the time."""
_SLOT = Prepared(
    select(runs.c.slot_at)
    .where(runs.c.slot_at > bindparam("since"))
    .order_by(runs.c.slot_at.desc())
    .limit(1)
    .offset(bindparam("later"))
)
_RECENT = (
    select(runs.c.remediation, runs.c.host, runs.c.slot_at)
    .where(runs.c.slot_at > bindparam("since"))
    .cte("recent")
    .prefix_with("MATERIALIZED")  # else SQLite goes through every run there ever was, in the order of remediations
)
_IN_WINDOW = (
    select(_RECENT.c.remediation)
    .outerjoin_from(_RECENT, breaker_resets, breaker_resets.c.remediation == _RECENT.c.remediation)
    .where(_RECENT.c.slot_at > func.coalesce(breaker_resets.c.at, 0.0))
)
_HOSTS = Prepared(_IN_WINDOW.add_columns(func.count(_RECENT.c.host.distinct())).group_by(_RECENT.c.remediation))
_TOUCHED = Prepared(_IN_WINDOW.add_columns(_RECENT.c.host).where(among(_RECENT.c.host, "hosts")).distinct())
_ENDS = Prepared(
    select(runs.c.target, func.max(runs.c.ended_at))
    .where(
        runs.c.remediation == bindparam("name"),
        among(runs.c.target, "targets"),
        runs.c.started_at.is_not(None),
    )
    .group_by(runs.c.target)
)
_DECIDED = exists().where(decisions.c.episode_id == episodes.c.id, decisions.c.remediation != "")
_EARLIER = Prepared(
    select(episodes.c.fingerprint, episodes.c.id, episodes.c.received_at).where(
        among(episodes.c.fingerprint, "fingerprints"), episodes.c.received_at > bindparam("since"), _DECIDED
    )
)
