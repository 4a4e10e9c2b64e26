"""What is due for a decision now."""

from dataclasses import dataclass

from sqlalchemy import Connection

from bridge.decision.facts import Candidate, Episode
from bridge.ledger import decisions, episodes, runs
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.runs import Run
from bridge.ledger.upcoming import Upcoming


@dataclass(frozen=True)
class Due:
    """What is to be looked at in a round."""

    held: list[Candidate]
    waiting: list[Run]
    returning: list[tuple[Episode, float | None]]

    @classmethod
    def read(cls, connection: Connection, now: float) -> "Due":
        """Read it from the ledger."""
        upcoming = Upcoming.read(connection)
        return cls(
            decisions.due(connection, now) if _is_due(upcoming.held, now) else [],
            runs.due(connection, now) if _is_due(upcoming.waiting, now) else [],
            episodes.in_state(connection, EpisodeState.RETURNING) if upcoming.returning else [],
        )

    def episodes(self) -> list[Episode]:
        """Return each episode that must be asked about, once."""
        found = [candidate.episode for candidate in self.held] + [run.episode for run in self.waiting]
        found += [episode for episode, _ in self.returning]
        return list({episode.fingerprint: episode for episode in found}.values())

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.held) + len(self.waiting) + len(self.returning)

    def halves(self) -> "tuple[Due, Due]":
        """Part it in two, neither of them empty; there must be two at least."""
        middle = self.count // 2
        first = Due(self.held[:middle], *_parted(self.waiting, self.returning, middle - len(self.held)))
        rest = Due(
            self.held[middle:],
            self.waiting[len(first.waiting) :],
            self.returning[len(first.returning) :],
        )
        return first, rest


def _is_due(moment: float | None, now: float) -> bool:
    return moment is not None and moment <= now


def _parted(
    waiting: list[Run], returning: list[tuple[Episode, float | None]], count: int
) -> tuple[list[Run], list[tuple[Episode, float | None]]]:
    """Return the first ones of two lists, so many together; none for a negative count."""
    taken = waiting[: max(0, count)]
    return taken, returning[: max(0, count - len(waiting))]
