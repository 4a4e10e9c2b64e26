"""A run: attempt = steps in order, then the proof. Every step is journalled before it starts and after it has ended."""

import functools
import logging
import os
import random
import threading
import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from bridge.actions.backups.store import BackupStore
from bridge.actions.base import Allow, StepOutcome
from bridge.escalation import levels as escalation
from bridge.hands import Hands
from bridge.ledger import journal, runs
from bridge.ledger.journal import AttemptEnd, StepBegin, StepEnd
from bridge.ledger.promise import DURABLE, Go
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.ledger.store import Ledger, LedgerError
from bridge.metrics import Metrics
from bridge.peers.observer import Observer
from bridge.policy.remediation import Remediation
from bridge.run.steps import Workshop
from bridge.run.turns import Over, Turn, Turns
from bridge.run.verification import prove
from bridge.telling import Event, names
from bridge.verify.base import NOTHING_WANTED, Evidence, Scene
from remedy.config.logger import structlog

Work = Callable[[Remediation, Allow], None]
"""Something to be done for a run, with the policy with which it started."""


class UnwrittenError(LedgerError):
    """A step has ended, and that could not be written down: once `turn` is, `go_on` is to be called."""

    def __init__(self, why: str, turn: Turn, go_on: Work) -> None:
        super().__init__(why)
        self.turn, self.go_on = turn, go_on


class Runner:
    """Works on runs, in whichever thread it is called."""

    def __init__(
        self,
        ledger: Ledger,
        observer: Observer,
        metrics: Metrics,
        *,
        token: str,
        backups: BackupStore,
        ours: tuple[str, ...] = (),
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._ledger, self._observer, self._metrics = ledger, observer, metrics
        self.token, self.backups, self._clock, self._chance = token, backups, clock, chance
        self._ours = ours
        self._turns, self._hands = Turns(ledger, clock), Hands("step")
        self._log = structlog.get_logger("runner").bind()  # else it is made anew for each line
        self.closing = threading.Event()
        """Begin nothing more: no attempt, no step, no look at whether it helped."""
        self.stop = threading.Event()
        """Steps under way give up."""

    def dry_run(self, run: Run, remediation: Remediation, allow: Allow, go: Go) -> None:
        """Write down what the steps would do, and end."""
        if not go.wait():
            return
        go.begun()
        workshop = self._workshop(run, remediation, allow)
        plans = [(step.action, workshop.plan(step)) for step in remediation.steps]
        over = Over(Outcome.DRY_RUN, "the mode is dry_run: nothing was changed")

        def done(connection: Connection) -> bool:
            journal.plan_steps(connection, run.id, plans, self._clock())
            return all(self._turns.batch(connection, [Turn(run, remediation, over=over)]))

        if self._ledger.write(done):
            self._ended(run, over)

    def attempt(self, run: Run, remediation: Remediation, allow: Allow, go: Go) -> None:
        """Make an attempt that is journalled together with its first step, unless the bridge is ending."""
        os.sched_yield()  # what led to it is being committed: where both have only one processor, that goes first
        if not self.closing.is_set():
            first = self._begin(run, remediation, 0)
            self._step(self._workshop(run, remediation, allow), first, go=go)
        elif go.wait():
            go.begun()
            self.take_back(run)

    def take_back(self, run: Run) -> None:
        """Let an attempt that has been journalled, and not begun, pass the gates again."""

        def work(connection: Connection) -> None:
            journal.take_back(connection, run.id, run.attempts)
            runs.put_back(connection, run, run.attempts - 1, self._clock())

        self._ledger.write(work)

    def go_on(self, run: Run, remediation: Remediation, allow: Allow, first: int, failure: str) -> None:
        """Do an attempt's steps from the position `first` on, then prove it; see `_step` for `failure`."""
        if not self.closing.is_set():
            begin = self._begin(run, remediation, first)
            self._turns.write(Turn(run, remediation, begins=begin))
            self._step(self._workshop(run, remediation, allow), begin, failure)

    def _step(self, workshop: Workshop, begun: StepBegin, failure: str = "", go: Go = DURABLE) -> None:
        """Do a step that is journalled, and go on; its end and what follows it are one write.

        `failure` is what failed first in this attempt.
        """
        run, remediation = workshop.run, workshop.remediation
        noted = functools.partial(self._turns.note_program, begun)
        doing = workshop.start(remediation.steps[begun.position], noted, go)
        if not doing.begins():
            return
        if begun.attempt == 1 and begun.position == 0:
            self._metrics.start_delay.observe(max(0.0, self._clock() - run.episode.received_at))
            self._tell(run, Event.STARTED, target=run.target)
        end = doing.end()
        if end.outcome is not StepOutcome.SUCCEEDED:
            failure = failure or f"the step {begun.action} {end.outcome}: {end.reason}"
        last = begun.position + 1 == len(remediation.steps) or (bool(failure) and remediation.stop_on_failure)
        turn = self._turn(workshop, (begun, end, self._clock()), last=last, failed=bool(failure))
        go_on = functools.partial(self._follow, workshop, turn, end.outcome, failure, last=last)
        try:
            self.write(turn)
        except LedgerError as error:
            raise UnwrittenError(str(error), turn, lambda _remediation, _allow: go_on()) from None
        go_on()

    def _follow(self, workshop: Workshop, turn: Turn, outcome: StepOutcome, failure: str, *, last: bool) -> None:
        """Go on after the end of a step was written down; `failure` is what failed first in this attempt."""
        run, remediation = workshop.run, workshop.remediation
        if turn.begins is not None:
            self._step(workshop, turn.begins, failure)
        elif turn.verifies:
            self.verify(run, remediation, since=self._clock())
        elif last and failure and outcome is not StepOutcome.INTERRUPTED:
            self.not_fixed(run, remediation, failure)

    def _turn(self, workshop: Workshop, ended: tuple[StepBegin, StepEnd, float], *, last: bool, failed: bool) -> Turn:
        """Say what is written with the end of a step: the begin of the next one, or of the proof, or the run's end."""
        run, remediation = workshop.run, workshop.remediation
        if not last:
            following = None if self.closing.is_set() else self._begin(run, remediation, ended[0].position + 1)
            return Turn(run, remediation, ended, following)
        if failed or remediation.wants_proof:
            return Turn(run, remediation, ended, verifies=not failed)
        return Turn(run, remediation, ended, over=Over(Outcome.UNVERIFIED, NOTHING_WANTED))

    def _begin(self, run: Run, remediation: Remediation, position: int) -> StepBegin:
        action = remediation.steps[position].action
        return StepBegin(run.id, run.attempts, position, action, self.token, self._clock())

    def verify(self, run: Run, remediation: Remediation, since: float) -> None:
        """Look whether the attempt helped, with evidence newer than `since`."""
        proof = prove(remediation.verify, self._scene(run, since), self.closing)
        if proof is None:
            return
        match proof.evidence:
            case Evidence.HEALED:
                self._end(run, remediation, Outcome.FIXED, proof.reason)
            case Evidence.NO_EVIDENCE | Evidence.UNPROVABLE:
                self._end(run, remediation, Outcome.UNVERIFIED, proof.reason)
            case Evidence.NOT_HEALED:
                self.not_fixed(run, remediation, proof.reason)

    def settle(self, run: Run, remediation: Remediation) -> None:
        """End a run whose alert went away while it waited: with evidence it counts as fixed."""
        with self._ledger.read() as connection:
            since = journal.last_end(connection, run.id) or self._clock()
        proof = prove(remediation.verify, self._scene(run, since), self.closing)
        if proof is not None:
            outcome = Outcome.FIXED if proof.evidence is Evidence.HEALED else Outcome.UNVERIFIED
            self._end(run, remediation, outcome, proof.reason)

    def interrupted(self, run: Run, remediation: Remediation, reason: str, *, again: bool) -> None:
        """Deal with an attempt that a crash cut off: another one if that is safe, else people are told."""
        if again:
            self.not_fixed(run, remediation, reason, at_once=True)
        else:
            self._end(run, remediation, Outcome.INTERRUPTED, reason)

    def give_up(self, run: Run, remediation: Remediation, reason: str) -> None:
        """End a run that cannot go on because of a mistake of ours."""
        self._end(run, remediation, Outcome.FAILED, reason)

    def not_fixed(self, run: Run, remediation: Remediation, reason: str, *, at_once: bool = False) -> None:
        """Wait for the next attempt, or give up where there is none left."""
        if run.attempts > remediation.max_retries:
            self._end(run, remediation, Outcome.FAILED, reason)
            return

        def wait(connection: Connection) -> None:
            now = self._clock()
            journal.end_attempts(connection, [AttemptEnd(run.id, run.attempts, reason, now)])
            due = now if at_once else now + remediation.delay_after(run.attempts, self._chance())
            runs.change(connection, run.id, state=RunState.WAITING, reason=reason, due_at=due)
            runs.free_slots(connection, now)
            escalation.escalate(
                connection,
                run.episode,
                remediation,
                run.id,
                what=f"attempt {run.attempts} failed: {reason}",
                when=escalation.after(run.attempts),
                now=now,
            )

        self._ledger.write(wait)
        self._tell(run, Event.ATTEMPT_FAILED, attempt=run.attempts, reason=reason)

    def cut_off(self) -> int:
        """Journal every step that this process started and that has not ended; return how many."""
        reason = "the bridge ended while it ran"
        return self._ledger.write(lambda c: journal.cut_off(c, self.token, reason, self._clock()))

    def _end(self, run: Run, remediation: Remediation, outcome: Outcome, reason: str) -> None:
        self.write(Turn(run, remediation, over=Over(outcome, reason)))

    def write(self, turn: Turn) -> None:
        """Write a turn down; count the step and the run that ended with it.

        Raises:
            LedgerError: it could not be made durable.
        """
        is_over = self._turns.write(turn)
        if turn.ended is not None:
            self._step_ended(turn.run, turn.remediation, *turn.ended[:2])
        if is_over and turn.over is not None:
            self._ended(turn.run, turn.over)

    def _step_ended(self, run: Run, remediation: Remediation, begun: StepBegin, end: StepEnd) -> None:
        self._metrics.steps.labels(run.remediation, begun.action, end.outcome).inc()
        self._metrics.count_results(remediation.steps[begun.position].kind.counts, end.results)
        said = {"action": begun.action, "outcome": end.outcome, "reason": end.reason}
        self._tell(run, Event.STEP, attempt=begun.attempt, **said)

    def _ended(self, run: Run, over: Over) -> None:
        self._metrics.runs.labels(run.remediation, over.outcome).inc()
        if run.started_at is not None:
            self._metrics.run_duration.labels(run.remediation).observe(max(0.0, self._clock() - run.started_at))
        self._tell(run, Event.ENDED, outcome=over.outcome, reason=over.reason)

    def _tell(self, run: Run, event: Event, **said: object) -> None:
        if self._log.is_enabled_for(logging.INFO):
            self._log.info(event, **names(run.episode, run.remediation, run.id), **said)

    def _workshop(self, run: Run, remediation: Remediation, allow: Allow) -> Workshop:
        tell = functools.partial(self._tell_people, run, remediation)
        return Workshop(run, remediation, allow, self.backups, self.stop, self._hands, tell, self._ours)

    def _tell_people(self, run: Run, remediation: Remediation, notifiers: Sequence[str], message: str) -> int:
        def work(connection: Connection) -> int:
            names, now = tuple(notifiers), self._clock()
            return escalation.escalate_to(connection, run.episode, remediation, run.id, names, what=message, now=now)

        return self._ledger.write(work)

    def _scene(self, run: Run, since: float) -> Scene:
        return Scene(run.episode.labels, since, self._observer, self._clock, by_hand=run.episode.by_hand)
