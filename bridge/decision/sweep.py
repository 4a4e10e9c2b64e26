"""What nobody announces, in one transaction: what has gone, what came back, what nobody has fixed for too long."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.decision.facts import Episode, Standing
from bridge.decision.intake import Intake
from bridge.decision.round import GONE_REASON, TWICE_SECONDS, Due
from bridge.escalation import levels as escalation
from bridge.ledger import decisions, episodes, runs
from bridge.policy.remediation import Policy

STALE_REASON = "the notification was stale: nobody finds the alert active"
_CRITICAL = "critical"
_FIRST_STEP_SECONDS = 300.0
"""So long may an episode of severity `critical` stay without a first step before people are told."""


@dataclass
class Sweep:
    """Looks at returning episodes, and at the open ones where it is their turn."""

    connection: Connection
    policy: Policy
    standings: Mapping[str, Standing]
    gone: Mapping[int, float]
    """When open episodes were first found gone, by id."""
    now: float
    found_gone: dict[int, float] = field(default_factory=dict)
    intake: Intake = field(init=False)

    def __post_init__(self) -> None:
        self.intake = Intake(self.connection, self.policy, self.now)

    def look(self, due: Due) -> "Sweep":
        """Look at everything that a round has read."""
        for episode, seen in due.returning:
            self._returning(episode, seen)
        for episode in due.opened:
            self._opened(episode)
        if due.opened:
            self._unresolved()
        return self

    def _returning(self, episode: Episode, seen: float | None) -> None:
        """A `firing` for what was closed is stale, unless two questions find it active."""
        standing = self.standings.get(episode.fingerprint, Standing())
        active = standing.listed or standing.prometheus is True
        if standing.nobody_to_ask:
            active, seen = episode.notified_at - episode.received_at >= TWICE_SECONDS, -TWICE_SECONDS
        if active and seen is None:
            episodes.seen_active(self.connection, episode.id, self.now)
        elif active and seen is not None and self.now - seen >= TWICE_SECONDS:
            self.intake.admit(episode)
        elif not active and standing.gone:
            self.intake.close(episode.id, None, STALE_REASON)

    def _opened(self, episode: Episode) -> None:
        if not self.standings.get(episode.fingerprint, Standing()).gone:
            return
        first = min(self.gone.get(episode.id, self.now), self.now)
        if self.now - first >= TWICE_SECONDS:
            self.intake.close(episode.id, None, GONE_REASON)
        else:
            self.found_gone[episode.id] = first

    def _unresolved(self) -> None:
        """Tell people of what has been open for too long, and of what is critical and not even begun."""
        first = min(escalation.first_unresolved(self.policy.remediations) or _FIRST_STEP_SECONDS, _FIRST_STEP_SECONDS)
        old = decisions.long_open(self.connection, self.now - first)
        begun = runs.begun(self.connection, [row.episode_id for row in old])
        for row in old:
            remediation = self.policy.named(row.remediation)
            if remediation is None or not remediation.escalate:
                continue
            episode = episodes.episode(row)
            age = self.now - episode.received_at
            tell = (self.connection, episode, remediation, row.run_id)
            told = f"unresolved for {age:.0f} s"
            escalation.escalate(*tell, what=told, when=escalation.unresolved(age), now=self.now)
            late = episode.labels.get("severity") == _CRITICAL and age >= _FIRST_STEP_SECONDS
            if late and episode.id not in begun:
                what = f"critical, and no fix has begun for {age:.0f} s: {row.reason}"
                escalation.escalate_apart(*tell, level="no_first_step", what=what, now=self.now)
