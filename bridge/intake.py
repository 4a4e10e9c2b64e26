"""One notification into the ledger, in one transaction: episodes opened and closed, and what is decided at once.

Only gates that need the configuration alone are asked here; everything else waits, due at once, for the dispatcher.
"""

import math
from collections import Counter
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge import gates
from bridge.facts import Episode, History, Standing
from bridge.gates import Case, Decision, Verdict
from bridge.ledger import decisions, episodes, runs
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.runs import Outcome, RunState
from bridge.payload import Alert, Notification
from bridge.policy import Policy, Remediation

RESOLVED_REASON = "Alertmanager says that the alert is resolved"


@dataclass
class Receipt:
    """What became of a notification's alerts, and which decisions it led to, by (remediation, verdict)."""

    accepted: int = 0
    duplicates: int = 0
    resolved: int = 0
    malformed: int = 0
    decided: Counter[tuple[str, str]] = field(default_factory=Counter)
    ended: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Runs that had not started and were cancelled, by (remediation, outcome)."""

    def answer(self) -> dict[str, int]:
        """Return what the sender is told."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "resolved": self.resolved,
            "malformed": self.malformed,
        }


@dataclass
class Intake:
    """The work of one transaction; `receipt` says what became of it."""

    connection: Connection
    policy: Policy
    now: float
    receipt: Receipt = field(default_factory=Receipt)

    def take(self, notification: Notification) -> Receipt:
        """Record a notification. The last of several alerts with one fingerprint counts."""
        self._refuse(notification)
        alerts = {alert.identity: alert for alert in notification.alerts}
        known = episodes.unclosed(self.connection, list(alerts))
        for fingerprint, alert in alerts.items():
            if alert.status == "resolved":
                self.receipt.resolved += 1
                if fingerprint in known:
                    self.close(known[fingerprint].id, alert.ends_at, RESOLVED_REASON)
        firing = [alert for alert in alerts.values() if alert.status == "firing"]
        repeated = [known[alert.identity].id for alert in firing if alert.identity in known]
        episodes.notified(self.connection, repeated, self.now)
        self.receipt.duplicates = len(repeated) + len(notification.alerts) - len(alerts)
        self.receipt.decided["", Verdict.DUPLICATE] += self.receipt.duplicates
        self._open([alert for alert in firing if alert.identity not in known], notification.external_url)
        return self.receipt

    def admit(self, episode: Episode) -> Receipt:
        """Open a returning episode for good."""
        episodes.reopen(self.connection, episode.id)
        self._route([episode])
        return self.receipt

    def close(self, episode_id: int, ends_at: float | None, reason: str) -> Receipt:
        """Close an episode: what is held is over, what has not started is cancelled, a waiting retry looks at once."""
        if not episodes.close(self.connection, episode_id, ends_at, self.now, reason):
            return self.receipt
        self.receipt.decided.update(decisions.finish(self.connection, episode_id, Verdict.RESOLVED, reason, self.now))
        for run in runs.of_episode(self.connection, episode_id):
            if run.state in (RunState.AWAITING_APPROVAL, RunState.QUEUED):
                runs.end(self.connection, run.id, Outcome.CANCELLED, reason, self.now)
                self.receipt.ended[run.remediation, str(Outcome.CANCELLED)] += 1
            elif run.state is RunState.WAITING:
                runs.change(self.connection, run.id, due_at=self.now)
        return self.receipt

    def _refuse(self, notification: Notification) -> None:
        self.receipt.malformed = len(notification.malformed)
        self.receipt.decided["", Verdict.MALFORMED] += self.receipt.malformed
        for wrong in notification.malformed:
            decisions.add_malformed(self.connection, wrong.subject, wrong.reason, self.now)

    def _open(self, alerts: list[Alert], sender: str) -> None:
        """Open episodes; one that may be stale (not newer than what was closed) waits until it is seen active twice."""
        ended = episodes.last_ends(self.connection, [alert.identity for alert in alerts])
        states = [
            EpisodeState.RETURNING if alert.starts_at <= ended.get(alert.identity, -math.inf) else EpisodeState.OPEN
            for alert in alerts
        ]
        added = episodes.add(self.connection, list(zip(alerts, states, strict=True)), sender, self.now)
        self.receipt.accepted = len(added)
        self._route([episode for episode, state in zip(added, states, strict=True) if state is EpisodeState.OPEN])

    def _route(self, fresh: list[Episode]) -> None:
        rows: list[tuple[int, str, str, str, Decision | None]] = []
        for episode in fresh:
            chosen, refusal = gates.choose(episode, self.policy)
            if refusal is not None:
                rows.append((episode.id, "", "", "", refusal))
                self.receipt.decided["", refusal.verdict] += 1
            for remediation in chosen:
                case = case_for(episode, remediation, self.policy, self.now)
                decision = gates.decide(case, gates.CONFIGURED)
                final = None if decision.verdict is Verdict.RUN else decision
                rows.append((episode.id, remediation.name, case.host, case.target, final))
                if final is not None:
                    self.receipt.decided[remediation.name, final.verdict] += 1
        decisions.add(self.connection, rows, self.now)


def case_for(episode: Episode, remediation: Remediation, policy: Policy, now: float) -> Case:
    """Make the case of an episode of which nothing more is known."""
    host = remediation.host_for(episode.labels)
    target = remediation.target_for(episode.labels, host)
    return Case(episode, remediation, host, target, policy.settings.limits, History(), Standing(), now)
