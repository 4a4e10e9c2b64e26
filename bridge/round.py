"""One round of deciding, in one transaction: what is due gets its verdict, and what may run gets its slot."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from sqlalchemy import Connection

from bridge import escalation, gates
from bridge.escalation import When
from bridge.facts import Candidate, Episode, Standing
from bridge.gates import Case, Decision, Verdict
from bridge.intake import Intake
from bridge.ledger import controls, decisions, episodes, runs
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.policy import Policy, Remediation

TWICE_SECONDS = 15.0
"""Between two questions that must agree: a return is real, or an alert has gone."""
GONE_REASON = "neither Prometheus nor any Alertmanager knows the alert any more"


class Work(Enum):
    """What is to be done for a run now."""

    ATTEMPT = auto()
    DRY_RUN = auto()
    SETTLE = auto()
    """Its alert has gone while it waited: see whether that counts as fixed."""


@dataclass(frozen=True)
class Due:
    """What is to be looked at in a round."""

    held: list[Candidate]
    waiting: list[Run]
    returning: list[tuple[Episode, float | None]]
    opened: list[Episode]
    """Every open episode, in a round that sweeps; else none."""

    @classmethod
    def read(cls, connection: Connection, now: float, *, sweep: bool) -> "Due":
        """Read it from the ledger."""
        opened = episodes.in_state(connection, EpisodeState.OPEN) if sweep else []
        returning = episodes.in_state(connection, EpisodeState.RETURNING)
        return cls(decisions.due(connection, now), runs.due(connection, now), returning, [e for e, _ in opened])

    def episodes(self) -> list[Episode]:
        """Return each episode that must be asked about, once."""
        found = [candidate.episode for candidate in self.held] + [run.episode for run in self.waiting]
        found += [episode for episode, _ in self.returning] + self.opened
        return list({episode.fingerprint: episode for episode in found}.values())


@dataclass
class Round:
    """The work of one transaction."""

    connection: Connection
    policy: Policy
    standings: Mapping[str, Standing]
    gone: Mapping[int, float]
    """When open episodes were first found gone, by id."""
    now: float
    jobs: list[tuple[Work, Run]] = field(default_factory=list)
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    found_gone: dict[int, float] = field(default_factory=dict)

    def look(self, due: Due) -> "Round":
        """Look at everything."""
        for run in due.waiting:
            self._waiting(run)
        for candidate in due.held:
            self._held(candidate)
        for episode, seen in due.returning:
            self._returning(episode, seen)
        for episode in due.opened:
            self._opened(episode)
        return self

    def _held(self, candidate: Candidate) -> None:
        if not decisions.is_current(self.connection, candidate.decision_id):
            return
        remediation = self.policy.named(candidate.remediation)
        if remediation is None:
            self._record(candidate, Decision(Verdict.NO_MATCH, f"{candidate.remediation} is no longer configured"))
            return
        case = self._case(candidate, remediation)
        decision = gates.decide(case)
        if self._is_over(candidate, decision, case.standing):
            self._close(candidate.episode, GONE_REASON)
            return
        self._consequences(case, decision)
        self._start(candidate, decision)

    def _start(self, candidate: Candidate, decision: Decision) -> None:
        state = RunState.AWAITING_APPROVAL if decision.verdict is Verdict.AWAITING_APPROVAL else RunState.QUEUED
        if decision.verdict not in (Verdict.RUN, Verdict.DRY_RUN, Verdict.AWAITING_APPROVAL):
            self._record(candidate, decision)
            return
        slot = decision.verdict is Verdict.RUN
        run = runs.create(self.connection, candidate, state, decision.reason, self.now, slot=slot)
        self._record(candidate, decision, run.id)
        if state is RunState.QUEUED:
            self.jobs.append((Work.ATTEMPT if slot else Work.DRY_RUN, run))

    def _waiting(self, run: Run) -> None:
        """Decide on the next attempt of a run, or on the first one of a run that was approved."""
        candidate = decisions.current(self.connection, run.episode.id, run.remediation)
        remediation = self.policy.named(run.remediation)
        if candidate is None or remediation is None or not runs.is_waiting(self.connection, run.id):
            if remediation is None:
                reason = f"{run.remediation} is no longer configured"
                runs.end(self.connection, run.id, Outcome.CANCELLED, reason, self.now)
                self.ended[run.remediation, Outcome.CANCELLED] += 1
            return
        case = self._case(candidate, remediation, run)
        decision = gates.decide(case, gates.RETRIES if run.attempts else gates.GATES)
        if run.attempts and (case.standing.gone or not run.episode_open):
            runs.change(self.connection, run.id, state=RunState.VERIFYING, due_at=None)
            self.jobs.append((Work.SETTLE, run))
        elif decision.verdict is Verdict.RUN:
            slot = {} if run.attempts else {"slot_at": self.now}
            runs.change(self.connection, run.id, state=RunState.QUEUED, due_at=None, **slot)
            self._record(candidate, decision, run.id)
            self.jobs.append((Work.ATTEMPT, run))
        else:
            runs.change(self.connection, run.id, due_at=decision.due or self.now + gates.LOOK_AGAIN_SECONDS)
            self._record(candidate, decision, run.id)

    def _returning(self, episode: Episode, seen: float | None) -> None:
        """A `firing` for what was closed is stale, unless two questions find it active."""
        standing = self._standing(episode)
        active = standing.listed or standing.prometheus is True
        if active and seen is None:
            episodes.seen_active(self.connection, episode.id, self.now)
        elif active and seen is not None and self.now - seen >= TWICE_SECONDS:
            self.decided.update(Intake(self.connection, self.policy, self.now).admit(episode).decided)
        elif not active and (standing.gone or not self._somebody_to_ask()):
            self._close(episode, "the notification was stale: nobody finds the alert active")

    def _opened(self, episode: Episode) -> None:
        if self._standing(episode).gone:
            first = self.gone.get(episode.id, self.now)
            if self.now - first >= TWICE_SECONDS:
                self._close(episode, GONE_REASON)
            else:
                self.found_gone[episode.id] = first
            return
        age = self.now - episode.received_at
        for name, run_id in decisions.remediations_of(self.connection, episode.id):
            remediation = self.policy.named(name)
            if remediation is not None:
                self._escalate(episode, remediation, run_id, f"unresolved for {age:.0f} s", escalation.unresolved(age))

    def _consequences(self, case: Case, decision: Decision) -> None:
        """Open the breaker where it trips, and tell people; both happen once."""
        about = (case.episode, case.remediation, None, decision.reason)
        if decision.verdict is Verdict.BREAKER_OPEN and case.history.breaker is None:
            controls.open_breaker(self.connection, case.remediation.name, decision.reason, self.now)
            self._escalate(*about, escalation.at_the_end)
        if decision.verdict is Verdict.FLAPPING:
            self._escalate(*about, escalation.when_flapping)

    def _escalate(self, episode: Episode, remediation: Remediation, run_id: int | None, what: str, when: When) -> None:
        escalation.escalate(self.connection, episode, remediation, run_id, what=what, when=when, now=self.now)

    def _is_over(self, candidate: Candidate, decision: Decision, standing: Standing) -> bool:
        """Tell whether a second look finds the alert gone, some time after the first."""
        again = candidate.verdict == decision.verdict == Verdict.NOT_FIRING
        return again and standing.gone and self.now - candidate.since >= TWICE_SECONDS

    def _close(self, episode: Episode, reason: str) -> None:
        receipt = Intake(self.connection, self.policy, self.now).close(episode.id, None, reason)
        self.decided.update(receipt.decided)
        self.ended.update(receipt.ended)

    def _case(self, candidate: Candidate, remediation: Remediation, run: Run | None = None) -> Case:
        limits = self.policy.settings.limits
        own, attempts = (run.id, run.attempts) if run else (0, 0)
        history = decisions.history(
            self.connection, candidate, remediation, limits, now=self.now, run=own, attempts=attempts
        )
        return Case(
            candidate.episode,
            remediation,
            candidate.host,
            candidate.target,
            limits,
            history,
            self._standing(candidate.episode),
            self.now,
            by_hand=run is not None,
        )

    def _standing(self, episode: Episode) -> Standing:
        return self.standings.get(episode.fingerprint, Standing())

    def _somebody_to_ask(self) -> bool:
        return bool(self.policy.settings.alertmanagers or self.policy.settings.prometheus)

    def _record(self, candidate: Candidate, decision: Decision, run_id: int | None = None) -> None:
        if decisions.record(self.connection, candidate, decision, self.now, run_id):
            self.decided[candidate.remediation, str(decision.verdict)] += 1
