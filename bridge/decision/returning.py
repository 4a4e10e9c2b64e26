"""A `firing` for what was closed: stale, or a real return? Two questions decide, in one transaction with the round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.decision.facts import Episode, Standing
from bridge.decision.intake import Intake
from bridge.decision.round import TWICE_SECONDS
from bridge.escalation import levels
from bridge.escalation.overdue import NO_ANSWER, NO_ANSWER_SECONDS
from bridge.ledger import episodes
from bridge.policy.remediation import Policy, route

STALE_REASON = "the notification was stale: nobody finds the alert active"
UNREPEATED_REASON = "the notification was stale: there is nobody to ask, and it was not sent again within a day"
_REPEATED_SECONDS = 86400.0
"""Alertmanager repeats what fires after `repeat_interval`, 4 h by default."""


@dataclass
class Returning:
    """Looks at returning episodes; `intake` says what became of them."""

    connection: Connection
    policy: Policy
    standings: Mapping[str, Standing]
    now: float
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.connection, self.policy, self.now)

    def look(self, returning: Sequence[tuple[Episode, float | None]]) -> "Returning":
        """Look at each, with the time at which the first of two questions found it active."""
        for episode, seen in returning:
            self._look(episode, seen)
        return self

    def _look(self, episode: Episode, seen: float | None) -> None:
        """Stale, unless two questions find it active; where there is nobody to ask, a later copy of it counts."""
        standing = self.standings.get(episode.fingerprint, Standing())
        active = standing.listed or standing.prometheus is True
        if standing.nobody_to_ask:
            active, seen = episode.notified_at - episode.received_at >= TWICE_SECONDS, -TWICE_SECONDS
        if active:
            episodes.seen_active(self.connection, episode.id, self.now if seen is None else seen)
        if active and seen is not None and self.now - seen >= TWICE_SECONDS:
            self.intake.admit(episode)
        elif not active and standing.gone:
            self.intake.close(episode.id, None, STALE_REASON)
        elif standing.nobody_to_ask and self.now - episode.notified_at >= _REPEATED_SECONDS:
            self.intake.close(episode.id, None, UNREPEATED_REASON)
        elif standing.unknown and self.now - episode.received_at >= NO_ANSWER_SECONDS:
            self._tell(episode, standing)

    def _tell(self, episode: Episode, standing: Standing) -> None:
        """Tell people, once, that nobody can say for long whether it has returned."""
        why = standing.trouble or standing.prometheus_error
        what = (
            f"it may have returned {self.now - episode.received_at:.0f} s ago, and nobody can say whether it has: {why}"
        )
        for remediation in route(self.policy.remediations, episode.labels):
            levels.escalate_apart(self.connection, episode, remediation, None, level=NO_ANSWER, what=what, now=self.now)
