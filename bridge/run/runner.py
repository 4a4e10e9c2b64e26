"""A run: attempt = steps in order, then the proof. Every step is journalled before it starts and after it has ended."""

import functools
import random
import threading
import time
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import Connection

from bridge.actions.base import Allow, StepOutcome
from bridge.escalation import levels as escalation
from bridge.ledger import runs
from bridge.ledger.runs import Outcome, Run, RunState, StepEnd
from bridge.ledger.store import Ledger
from bridge.metrics import Metrics
from bridge.peers.observer import Observer
from bridge.policy.remediation import Remediation
from bridge.run.steps import Workshop
from bridge.run.verification import Proof, prove
from bridge.verify.base import Evidence, Scene


class Runner:
    """Works on runs, in whichever thread it is called."""

    def __init__(
        self,
        ledger: Ledger,
        observer: Observer,
        metrics: Metrics,
        *,
        token: str,
        backups: Path,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ledger, self._observer, self._metrics = ledger, observer, metrics
        self._token, self._backups, self._clock, self._chance = token, backups, clock, chance
        self._log = structlog.get_logger("runner")
        self.closing = threading.Event()
        """Begin nothing more: no attempt, no step, no look at whether it helped."""
        self.stop = threading.Event()
        """Steps under way give up."""

    def dry_run(self, run: Run, remediation: Remediation, allow: Allow) -> None:
        """Write down what the steps would do, and end."""
        workshop = self._workshop(run, remediation, allow)
        plans = [(step.action, workshop.plan(step)) for step in remediation.steps]

        def done(connection: Connection) -> None:
            runs.plan_steps(connection, run.id, plans, self._clock())
            self._end(connection, run, remediation, Outcome.DRY_RUN, "the mode is dry_run: nothing was changed")

        self._ledger.write(done)

    def attempt(self, run: Run, remediation: Remediation, allow: Allow) -> None:
        """Make the next attempt of a run, unless it was ended in the meantime."""
        number, first = run.attempts + 1, remediation.steps[0].action

        def begin(connection: Connection) -> int | None:
            if not runs.begin_attempt(connection, run.id, number, self._clock()):
                return None
            return self._begin_step(connection, run, number, 0, first)

        step_id = None if self.closing.is_set() else self._ledger.write(begin)
        if step_id is not None:
            self._steps(self._workshop(run, remediation, allow), number, 0, step_id)

    def go_on(self, run: Run, remediation: Remediation, allow: Allow, number: int, first: int) -> None:
        """Do an attempt's steps from the position `first` on, then prove it."""
        action = remediation.steps[first].action
        if not self.closing.is_set():
            step_id = self._ledger.write(lambda c: self._begin_step(c, run, number, first, action))
            self._steps(self._workshop(run, remediation, allow), number, first, step_id)

    def _steps(self, workshop: Workshop, number: int, position: int, step_id: int | None) -> None:
        """Do the steps from one that has been journalled on; a step's end and the next one's begin are one write."""
        run, remediation, failure = workshop.run, workshop.remediation, ""
        while step_id is not None:
            action = remediation.steps[position].action
            if number == 1 and position == 0:
                self._metrics.start_delay.observe(max(0.0, self._clock() - run.episode.received_at))
            end = workshop.run_step(remediation.steps[position])
            if end.outcome is not StepOutcome.SUCCEEDED:
                failure = failure or f"the step {action} {end.outcome}: {end.reason}"
            over = (failure and remediation.stop_on_failure) or end.outcome is StepOutcome.INTERRUPTED
            last = position + 1 == len(remediation.steps)
            following = None if over or last or self.closing.is_set() else remediation.steps[position + 1].action
            proven = last and not failure
            step_id = self._ledger.write(
                functools.partial(self._next_step, run, (number, position), (step_id, end), following, verifying=proven)
            )
            self._metrics.steps.labels(run.remediation, action, end.outcome).inc()
            self._log.info("step", run=run.id, attempt=number, action=action, outcome=end.outcome, reason=end.reason)
            if end.outcome is StepOutcome.INTERRUPTED or (step_id is None and not (last or over)):
                return
            position += 1
        if failure:
            self.not_fixed(run, remediation, number, failure)
        else:
            self.verify(run, remediation, number, since=self._clock())

    def _next_step(
        self,
        run: Run,
        at: tuple[int, int],
        ended: tuple[int, StepEnd],
        following: str | None,
        connection: Connection,
        *,
        verifying: bool,
    ) -> int | None:
        """Journal the end of the step at (attempt, position), and the begin of the following one if there is one."""
        runs.end_step(connection, *ended, self._clock())
        if verifying:
            runs.change(connection, run.id, state=RunState.VERIFYING)
        if following is None:
            return None
        number, position = at
        return self._begin_step(connection, run, number, position + 1, following)

    def _begin_step(self, connection: Connection, run: Run, number: int, position: int, action: str) -> int:
        return runs.begin_step(
            connection, run.id, number, position, action=action, token=self._token, now=self._clock()
        )

    def verify(self, run: Run, remediation: Remediation, number: int, since: float) -> None:
        """Look whether the attempt helped, with evidence newer than `since`."""
        proof = prove(remediation.verify, self._scene(run, since), self.closing)
        if proof is None:
            return
        match proof.evidence:
            case Evidence.HEALED:
                self._prove(run, remediation, number, proof, Outcome.FIXED)
            case Evidence.NO_EVIDENCE | Evidence.UNPROVABLE:
                self._prove(run, remediation, number, proof, Outcome.UNVERIFIED)
            case Evidence.NOT_HEALED:
                self.not_fixed(run, remediation, number, proof.reason)

    def settle(self, run: Run, remediation: Remediation) -> None:
        """End a run whose alert went away while it waited: with evidence it counts as fixed."""
        with self._ledger.read() as connection:
            since = runs.last_step_end(connection, run.id) or self._clock()
        proof = prove(remediation.verify, self._scene(run, since), self.closing)
        if proof is not None:
            outcome = Outcome.FIXED if proof.evidence is Evidence.HEALED else Outcome.UNVERIFIED
            self._prove(run, remediation, run.attempts, proof, outcome)

    def interrupted(self, run: Run, remediation: Remediation, reason: str, *, again: bool) -> None:
        """Deal with an attempt that a crash cut off: another one if that is safe, else people are told."""
        if again:
            self.not_fixed(run, remediation, run.attempts, reason, at_once=True)
            return

        def done(connection: Connection) -> None:
            runs.end_attempt(connection, run.id, run.attempts, reason, self._clock())
            self._end(connection, run, remediation, Outcome.INTERRUPTED, reason)

        self._ledger.write(done)

    def give_up(self, run: Run, remediation: Remediation, reason: str) -> None:
        """End a run that cannot go on because of a mistake of ours."""
        self._ledger.write(lambda connection: self._end(connection, run, remediation, Outcome.FAILED, reason))

    def cut_off(self) -> int:
        """Journal every step that this process started and that has not ended; return how many."""
        reason = "the bridge ended while it ran"
        return self._ledger.write(lambda c: runs.cut_off(c, self._token, reason, self._clock()))

    def _prove(self, run: Run, remediation: Remediation, number: int, proof: Proof, outcome: Outcome) -> None:
        def done(connection: Connection) -> None:
            runs.end_attempt(connection, run.id, number, proof.reason, self._clock())
            self._end(connection, run, remediation, outcome, proof.reason)

        self._ledger.write(done)

    def not_fixed(self, run: Run, remediation: Remediation, number: int, reason: str, *, at_once: bool = False) -> None:
        """Wait for the next attempt, or give up where there is none left."""

        def done(connection: Connection) -> None:
            now = self._clock()
            runs.end_attempt(connection, run.id, number, reason, now)
            if number > remediation.max_retries:
                self._end(connection, run, remediation, Outcome.FAILED, reason)
                return
            due = now if at_once else now + remediation.delay_after(number, self._chance())
            runs.change(connection, run.id, state=RunState.WAITING, reason=reason, due_at=due)
            runs.free_slot(connection, now)
            escalation.escalate(
                connection,
                run.episode,
                remediation,
                run.id,
                what=f"attempt {number} failed: {reason}",
                when=escalation.after(number),
                now=now,
            )

        self._ledger.write(done)
        self._log.info("attempt failed", run=run.id, attempt=number, reason=reason)

    def _end(self, connection: Connection, run: Run, remediation: Remediation, outcome: Outcome, reason: str) -> None:
        """End a run: whoever waited for its host may go on; a run that did not help is told to people."""
        now = self._clock()
        if not runs.end(connection, run.id, outcome, reason, now):
            return
        if outcome in (Outcome.FAILED, Outcome.INTERRUPTED) or (
            outcome is Outcome.UNVERIFIED and remediation.wants_proof and not run.episode.by_hand
        ):
            escalation.escalate(
                connection,
                run.episode,
                remediation,
                run.id,
                what=f"{outcome}: {reason}",
                when=escalation.at_the_end,
                now=now,
            )
        started = runs.started_at(connection, run.id)
        self._metrics.runs.labels(run.remediation, outcome).inc()
        if started is not None:
            self._metrics.run_duration.labels(run.remediation).observe(max(0.0, now - started))
        self._log.info("run ended", run=run.id, remediation=run.remediation, outcome=outcome, reason=reason)

    def _workshop(self, run: Run, remediation: Remediation, allow: Allow) -> Workshop:
        return Workshop(run, remediation, allow, self._backups, self.stop)

    def _scene(self, run: Run, since: float) -> Scene:
        return Scene(run.episode.labels, since, self._observer, self._clock, by_hand=run.episode.by_hand)
