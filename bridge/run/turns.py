"""What runs write down: each turn of a run is whole or not at all, and shares its transaction with others' turns."""

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from bridge.escalation import levels as escalation
from bridge.ledger import journal, runs
from bridge.ledger.journal import AttemptEnd, StepBegin, StepEnd
from bridge.ledger.runs import End, Outcome, Run
from bridge.ledger.store import Ledger, LedgerError
from bridge.policy.remediation import Remediation
from bridge.run.survivors import birth


@dataclass(frozen=True)
class Over:
    """How a run ends, and its last attempt with it."""

    outcome: Outcome
    reason: str


@dataclass(frozen=True)
class Turn:
    """What one run writes down at one moment."""

    run: Run
    remediation: Remediation
    ended: tuple[StepBegin, StepEnd, float] | None = None
    """A step that was under way, how it ended, and when."""
    begins: StepBegin | None = None
    verifies: bool = False
    """Its steps are done; it is being looked whether they helped."""
    over: Over | None = None


class Turns:
    """Writes turns down."""

    def __init__(self, ledger: Ledger, clock: Callable[[], float] = time.time) -> None:
        self._ledger, self._clock = ledger, clock

    def write(self, turn: Turn) -> bool:
        """Write one down; once this returns it is durable. Tell whether it ended the run.

        Raises:
            LedgerError: it could not be made durable.
        """
        return self._ledger.write_together(self.batch, turn)

    def note_program(self, step: StepBegin, pid: int) -> None:
        """Note a program that a step has started. On a full disk the step goes on without that.

        The note lasts as long as the machine runs: so does the program.
        """
        born = birth(pid)
        if born is not None:
            with suppress(LedgerError, SQLAlchemyError):
                self._ledger.note_together(self._note_programs, (step, pid, born))

    @staticmethod
    def _note_programs(connection: Connection, started: list[tuple[StepBegin, int, str]]) -> list[None]:
        journal.note_programs(connection, started)
        return [None] * len(started)

    def batch(self, connection: Connection, turns: list[Turn]) -> list[bool]:
        """Write several down within a transaction: one statement for each kind of fact, however many runs there are."""
        journal.end_steps(connection, [turn.ended for turn in turns if turn.ended])
        journal.begin_steps(connection, [turn.begins for turn in turns if turn.begins])
        runs.verify(connection, [turn.run.id for turn in turns if turn.verifies])
        ended = self._end(connection, [(turn, turn.over) for turn in turns if turn.over])
        return [turn.run.id in ended for turn in turns]

    def _end(self, connection: Connection, over: list[tuple[Turn, Over]]) -> set[int]:
        now = self._clock()
        proofs = [AttemptEnd(turn.run.id, turn.run.attempts, end.reason, now) for turn, end in over]
        journal.end_attempts(connection, proofs)
        ended = runs.end_all(connection, [End(turn.run.id, end.outcome, end.reason) for turn, end in over], now)
        for turn, end in over:
            if turn.run.id in ended and _must_be_told(turn, end.outcome):
                self._tell(connection, turn, f"{end.outcome}: {end.reason}", now)
        return ended

    @staticmethod
    def _tell(connection: Connection, turn: Turn, what: str, now: float) -> None:
        escalation.escalate(
            connection,
            turn.run.episode,
            turn.remediation,
            turn.run.id,
            what=what,
            when=escalation.at_the_end,
            now=now,
        )


def _must_be_told(turn: Turn, outcome: Outcome) -> bool:
    """Tell whether people must hear that a run ended so: it did not help, or that could not be proven."""
    if outcome is Outcome.UNVERIFIED:
        return turn.remediation.wants_proof and not turn.run.episode.by_hand
    return outcome in (Outcome.FAILED, Outcome.INTERRUPTED)
