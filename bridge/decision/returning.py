"""A `firing` for what was closed: stale, or a real return? Two questions decide, in one transaction with the round."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.decision.facts import Episode, Standing
from bridge.decision.intake import Intake
from bridge.decision.round import TWICE_SECONDS
from bridge.ledger import episodes
from bridge.policy.remediation import Policy

STALE_REASON = "the notification was stale: nobody finds the alert active"


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
