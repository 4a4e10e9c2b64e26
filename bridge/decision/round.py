"""One round of deciding, in one transaction: what is due gets its verdict, and what may run gets its slot."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.decision import by_hand, gates
from bridge.decision.due import Due
from bridge.decision.facts import Candidate, Episode, Pause, Standing
from bridge.decision.gates import Case, Decision, Verdict
from bridge.decision.intake import Intake
from bridge.decision.jobs import Job, Work
from bridge.escalation import levels as escalation
from bridge.ledger import controls, decisions, episodes, journal, runs
from bridge.ledger.decisions import Entry
from bridge.ledger.histories import Histories
from bridge.ledger.journal import StepBegin
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.policy.remediation import Policy, Remediation
from bridge.telling import News

TWICE_SECONDS = 15.0
"""Between two questions that must agree: a return is real, or an alert has gone."""
GONE_REASON = "neither Prometheus nor any Alertmanager knows the alert any more"
_FEW = 4
"""So many of those that wait for a slot are looked at when the hour lets the next one begin, and so many more than
there are slots: they wake more, while there are slots."""
RESOLVED_REASON = "the alert is over, and nothing had been done yet"


@dataclass
class Round:
    """The work of one transaction."""

    connection: Connection
    policy: Policy
    standings: Mapping[str, Standing]
    now: float
    token: str
    """Names the process that starts the steps."""
    pause: Pause | None = None
    """A pause that is not in the ledger: the PAUSE file."""
    kept: Callable[[int], Remediation | None] = lambda _run: None
    """Gives the remediation as it was when a run under way started: that is what does its further attempts."""
    jobs: list[Job] = field(default_factory=list)
    waits: bool = False
    """Something was held, or became due: it must be looked at again."""
    intake: Intake = field(init=False)
    _entries: list[Entry] = field(default_factory=list)
    """Verdicts that are written down together, at the end or before an episode closes."""

    def __post_init__(self) -> None:
        self.intake = Intake(self.connection, self.policy, self.now)

    @property
    def decided(self) -> Counter[tuple[str, str]]:
        """Count what was decided, by (remediation, verdict)."""
        return self.intake.receipt.decided

    @property
    def ended(self) -> Counter[tuple[str, str]]:
        """Count the runs that ended without a start, by (remediation, outcome)."""
        return self.intake.receipt.ended

    def look(self, due: Due) -> "Round":
        """Look at what waits for its next attempt, then at what waits for a decision."""
        waiting = self._waiting_still(due.waiting)
        known = [(candidate, r) for candidate in due.held if (r := self.policy.named(candidate.remediation))]
        asked = known + [(candidate, remediation) for _, candidate, remediation in waiting]
        histories = Histories(self.connection, asked, self.policy.settings.limits, self.now, self.pause)
        for run, candidate, remediation in waiting:
            self._waiting(run, candidate, remediation, histories)
        held = decisions.still_held(self.connection, due.held)
        for candidate in due.held:
            if candidate.decision_id in held and candidate.episode.id not in self.intake.closed:
                self._held(candidate, histories)
        self._write()
        self._begin()
        if histories.slots_to_fill > 0:
            looked_at = (*due.held, *(candidate for _, candidate, _ in waiting))
            passed_over = sum(each.verdict == Verdict.LIMITED for each in looked_at) - len(self.jobs)
            most = max(histories.free_slots + _FEW, 2 * passed_over)  # where other gates hold many, soon all are seen
            self.waits |= decisions.wake_some(self.connection, Verdict.LIMITED, self.now, most)
        elif (moment := histories.next_slot_at) is not None:
            decisions.look_at(self.connection, Verdict.LIMITED, moment, _FEW)
        return self

    def _held(self, candidate: Candidate, histories: Histories) -> None:
        remediation = self.policy.named(candidate.remediation)
        if remediation is None:
            self._record(candidate, Decision(Verdict.NO_MATCH, f"{candidate.remediation} is no longer configured"))
            return
        case = self._case(candidate, remediation, histories)
        decision = gates.decide(case)
        if candidate.episode.by_hand:
            self._start(candidate, remediation, by_hand.now_or_never(case, decision), histories)
            return
        if self._is_over(candidate, decision, case.standing):
            self._write()
            self.intake.close(candidate.episode.id, None, GONE_REASON)
            return
        self._consequences(case, decision, histories)
        self._start(candidate, remediation, decision, histories)

    def _start(self, candidate: Candidate, remediation: Remediation, decision: Decision, histories: Histories) -> None:
        match decision.verdict:
            case Verdict.RUN:
                run = runs.create(self.connection, candidate, RunState.RUNNING, decision.reason, self.now)
                self.jobs.append(Job(Work.ATTEMPT, run, remediation))
                histories.slot(run, first=True)
                self._record(candidate, decision, run.id)
            case Verdict.DRY_RUN:
                run = runs.create(self.connection, candidate, RunState.QUEUED, decision.reason, self.now)
                self.jobs.append(Job(Work.DRY_RUN, run, remediation))
                self._record(candidate, decision, run.id)
            case Verdict.AWAITING_APPROVAL:
                until = self.now + remediation.approve_within.total_seconds()
                state = RunState.AWAITING_APPROVAL
                run = runs.create(self.connection, candidate, state, decision.reason, self.now, due_at=until)
                self._record(candidate, Decision(decision.verdict, decision.reason, until), run.id)
            case _:
                self._record(candidate, decision)

    def _waiting_still(self, waiting: Sequence[Run]) -> list[tuple[Run, Candidate, Remediation]]:
        """Read anew what was due before others were asked; end what cannot go on."""
        found = []
        for read in waiting:
            run = runs.get(self.connection, read.id)
            if run is None or run.state not in (RunState.WAITING, RunState.AWAITING_APPROVAL):
                continue
            candidate = decisions.current(self.connection, run.episode.id, run.remediation)
            remediation = self.policy.named(run.remediation)
            if candidate is None or remediation is None:
                self._end(run, Outcome.CANCELLED, f"{run.remediation} is no longer configured")
            elif run.state is RunState.AWAITING_APPROVAL:
                self._expire(run, candidate, remediation)
            else:
                found.append((run, candidate, remediation))
        return found

    def _expire(self, run: Run, candidate: Candidate, remediation: Remediation) -> None:
        if not self._end(run, Outcome.DENIED, "nobody approved it in time"):
            return
        self._record(candidate, Decision(Verdict.DENIED, "nobody approved it in time"), run.id)
        self._escalate(run.episode, remediation, run.id, "nobody approved the fix in time", escalation.at_the_end)

    def _waiting(self, run: Run, candidate: Candidate, remediation: Remediation, histories: Histories) -> None:
        """Decide on the next attempt of a run, or on the first one of a run that was approved or interrupted early."""
        case = self._case(candidate, remediation, histories, run)
        if run.attempts and (case.standing.gone or not run.episode_open):
            self._settle(case, run, histories)
            return
        if not run.episode_open and remediation.cancel_on_resolve:
            self._end(run, Outcome.CANCELLED, RESOLVED_REASON)
            return
        first = gates.GATES if run.episode_open else gates.FINISHING
        decision = gates.decide(case, gates.RETRIES if run.attempts else first)
        if run.episode.by_hand and not run.attempts:
            decision = by_hand.now_or_never(case, decision)
        match decision.verdict:
            case Verdict.RUN:
                histories.slot(run, first=not run.attempts)
                self.jobs.append(Job(Work.ATTEMPT, runs.begin(self.connection, run, self.now), remediation))
            case Verdict.DRY_RUN if not run.attempts:
                runs.change(self.connection, run.id, state=RunState.QUEUED, due_at=None)
                self.jobs.append(Job(Work.DRY_RUN, run, remediation))
            case _ if decision.due is None:
                self._end(run, Outcome.CANCELLED, decision.reason)
            case _:
                self._consequences(case, decision, histories)
                runs.change(self.connection, run.id, due_at=decision.due)
        self._record(candidate, decision, run.id)

    def _settle(self, case: Case, run: Run, histories: Histories) -> None:
        """See whether what has gone by itself counts as fixed: to look takes up a slot, as an attempt does."""
        if gates.no_slot(case) is not None:
            runs.change(self.connection, run.id, due_at=self.now + gates.ASK_AGAIN_SECONDS)
            self.waits = True
            return
        histories.slot(run, first=False)
        runs.change(self.connection, run.id, state=RunState.VERIFYING, due_at=None)
        self.jobs.append(Job(Work.SETTLE, run, case.remediation))

    def _consequences(self, case: Case, decision: Decision, histories: Histories) -> None:
        """Open the breaker where it trips, and tell people; both happen once."""
        name = case.remediation.name
        about = (case.episode, case.remediation, None, decision.reason)
        if decision.verdict is Verdict.BREAKER_OPEN and case.history.breaker is None:
            controls.open_breaker(self.connection, name, decision.reason, self.now)
            histories.tripped(name, decision.reason)
            self._escalate(*about, escalation.at_the_end)
        since = self.now - case.remediation.flapping.within.total_seconds()
        if decision.verdict is Verdict.FLAPPING and not escalation.told_of_flapping(
            self.connection, case.episode, name, since
        ):
            self._escalate(*about, escalation.when_flapping)

    def _escalate(
        self, episode: Episode, remediation: Remediation, run_id: int | None, what: str, when: escalation.When
    ) -> None:
        self._write()
        escalation.escalate(self.connection, episode, remediation, run_id, what=what, when=when, now=self.now)

    def _is_over(self, candidate: Candidate, decision: Decision, standing: Standing) -> bool:
        """Tell whether a second look finds the alert gone, some time after the first."""
        again = candidate.verdict == decision.verdict == Verdict.NOT_FIRING
        return again and standing.gone and self.now - candidate.since >= TWICE_SECONDS

    def _case(
        self, candidate: Candidate, remediation: Remediation, histories: Histories, run: Run | None = None
    ) -> Case:
        own, attempts = (run.id, run.attempts) if run else (0, 0)
        return Case(
            candidate.episode,
            remediation,
            candidate.host,
            candidate.target,
            self.policy.settings.limits,
            histories.of(candidate, remediation, run=own, attempts=attempts),
            self.standings.get(candidate.episode.fingerprint, Standing()),
            self.now,
            by_hand=run is not None or candidate.episode.by_hand,
        )

    def _begin(self) -> None:
        """Journal attempts and their first steps with what led to them: one commit less before the first step."""
        begun = [
            (job.run, (self.kept(job.run.id) if job.run.attempts > 1 else None) or job.remediation)
            for job in self.jobs
            if job.work is Work.ATTEMPT
        ]
        journal.begin_attempts(self.connection, [(run.id, run.attempts) for run, _ in begun], self.now)
        journal.begin_steps(
            self.connection,
            [StepBegin(run.id, run.attempts, 0, r.steps[0].action, self.token, self.now) for run, r in begun],
        )

    def _end(self, run: Run, outcome: Outcome, reason: str) -> bool:
        self._write()
        if not runs.end(self.connection, run.id, outcome, reason, self.now):
            return False
        self.ended[run.remediation, str(outcome)] += 1
        return True

    def _record(self, candidate: Candidate, decision: Decision, run_id: int | None = None) -> None:
        entry = Entry(candidate, decision, run_id)
        self._entries.append(entry)
        self.waits |= decision.due is not None
        if candidate.episode.by_hand and run_id is None:
            episodes.close(self.connection, candidate.episode.id, None, self.now, decision.reason)
        self.decided[candidate.remediation, str(decision.verdict)] += entry.is_news
        if entry.is_news:
            self.intake.receipt.news.append(News(candidate.episode, candidate.remediation, decision, run_id))

    def _write(self) -> None:
        decisions.record(self.connection, self._entries, self.now)
        self._entries.clear()
