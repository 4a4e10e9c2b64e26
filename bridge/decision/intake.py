"""One notification into the ledger, in one transaction: episodes opened and closed, and what is decided at once.

Only gates that need the configuration alone are asked here; everything else waits, due at once, for the dispatcher.
"""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import Connection

from bridge.decision import gates
from bridge.decision.facts import UNWRITTEN, Candidate, Episode, History, Standing
from bridge.decision.gates import Case, Decision, Verdict
from bridge.decision.payload import Alert, Notification
from bridge.escalation import levels as escalation
from bridge.ledger import decisions, episodes, malformed, runs
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.runs import Outcome, Run, RunState
from bridge.ledger.schema import AnyRow
from bridge.policy.remediation import Policy, Remediation
from bridge.telling import News

RESOLVED_REASON = "Alertmanager says that the alert is resolved"
NEWER_REASON = "the notification was stale: one came whose alert began after the end of what was closed"


Verdicts = tuple[int, str, str, str, Decision | None]
"""A decision to be: (episode, remediation, host, target, decision)."""


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
    news: list[News] = field(default_factory=list)
    """Decisions that people may want to read of."""
    waits: bool = False
    """Something waits for its decision."""

    def add(self, other: "Receipt") -> None:
        """Add what was decided elsewhere in the same transaction."""
        self.decided.update(other.decided)
        self.ended.update(other.ended)
        self.news += other.news

    def answer(self) -> dict[str, int]:
        """Return what the sender is told."""
        return {
            "accepted": self.accepted,
            "duplicates": self.duplicates,
            "resolved": self.resolved,
            "malformed": self.malformed,
        }


FirstLook = Callable[[Sequence[Candidate]], Receipt | None]
"""Decides on what is new before it is written down, and returns what that led to; None: it waits for its round."""


def no_look(_new: Sequence[Candidate]) -> Receipt | None:
    """Leave all of it to a round."""
    return None


@dataclass
class Intake:
    """The work of one transaction; `receipt` says what became of it."""

    connection: Connection
    policy: Policy
    now: float
    first_look: FirstLook = no_look
    receipt: Receipt = field(default_factory=Receipt)
    closed: set[int] = field(default_factory=set)
    """The episodes that were closed here."""
    opened: set[str] = field(default_factory=set)
    """The fingerprints for which one was opened here."""

    def take(self, notification: Notification) -> Receipt:
        """Record a notification. The last of several alerts with one fingerprint counts."""
        self._refuse(notification)
        alerts = {alert.identity: alert for alert in notification.alerts}
        known = episodes.unclosed(self.connection, list(alerts))
        for fingerprint, alert in alerts.items():
            if alert.status == "resolved":
                self.receipt.resolved += 1
                if fingerprint in known and not self._is_old_news(alert, known[fingerprint]):
                    self.close(known[fingerprint].id, alert.ends_at, RESOLVED_REASON)
        firing = [alert for alert in alerts.values() if alert.status == "firing"]
        for fingerprint in self._begun_anew(firing, known):
            self.close(known.pop(fingerprint).id, None, NEWER_REASON)
        repeated = [known[alert.identity].id for alert in firing if alert.identity in known]
        episodes.notified(self.connection, repeated, self.now)
        self.receipt.duplicates = len(repeated) + len(notification.alerts) - len(alerts)
        self._count(Verdict.DUPLICATE, self.receipt.duplicates)
        waits = self._open([alert for alert in firing if alert.identity not in known], notification.external_url)
        self.receipt.waits = waits or self.receipt.resolved > 0
        return self.receipt

    def _is_old_news(self, resolved: Alert, unclosed: AnyRow) -> bool:
        """Tell whether this is a late copy of an end that is on record, before which the unclosed one had not begun.

        The other of two Alertmanagers sends one as it sends a `firing` that is stale.
        """
        if resolved.ends_at is None or unclosed.starts_at <= resolved.ends_at:
            return False
        return episodes.has_ended(self.connection, resolved.identity, resolved.starts_at, resolved.ends_at)

    def _begun_anew(self, firing: Sequence[Alert], known: Mapping[str, AnyRow]) -> list[str]:
        """Return the fingerprints of what may be stale and has begun again since: there is nothing to be asked then.

        Where nobody can be asked, a return would else wait for its next copy, which comes after hours.
        """
        returning = {
            alert.identity: alert
            for alert in firing
            if alert.identity in known and known[alert.identity].state == EpisodeState.RETURNING
        }
        if not returning:
            return []
        ended = episodes.last_ends(self.connection, list(returning))
        return [name for name, alert in returning.items() if alert.starts_at > ended.get(name, math.inf)]

    def admit(self, episode: Episode) -> Receipt:
        """Open a returning episode for good."""
        episodes.reopen(self.connection, episode.id)
        held = decisions.rows_of(self.connection, [episode.id]).get(episode.id, [])
        decisions.retire(self.connection, [row.id for row in held], self.now)
        self.add([episode], self.verdicts(episode))
        escalation.tell_at_once(self.connection, [episode], self.policy, self.now)
        return self.receipt

    def close(self, episode_id: int, ends_at: float | None, reason: str) -> Receipt:
        """Close an episode: what is held is over, what has not begun is cancelled, a waiting retry looks at once."""
        if not episodes.close(self.connection, episode_id, ends_at, self.now, reason):
            return self.receipt
        self.closed.add(episode_id)
        for run in runs.of_episode(self.connection, episode_id):
            self._over(run, reason)
        self.receipt.decided.update(decisions.finish(self.connection, episode_id, Verdict.RESOLVED, reason, self.now))
        return self.receipt

    def _over(self, run: Run, reason: str) -> None:
        remediation = self.policy.named(run.remediation)
        finishes = remediation is not None and not remediation.cancel_on_resolve
        if run.state is RunState.QUEUED and run.attempts:
            return
        if not run.attempts and run.state in (RunState.AWAITING_APPROVAL, RunState.QUEUED, RunState.WAITING):
            if finishes:
                return
            runs.end(self.connection, run.id, Outcome.CANCELLED, reason, self.now)
            self.receipt.ended[run.remediation, str(Outcome.CANCELLED)] += 1
        elif run.state is RunState.WAITING:
            runs.change(self.connection, run.id, due_at=self.now)

    def _count(self, verdict: Verdict, count: int) -> None:
        if count:
            self.receipt.decided["", verdict] += count

    def _refuse(self, notification: Notification) -> None:
        self.receipt.malformed = len(notification.malformed)
        self._count(Verdict.MALFORMED, self.receipt.malformed)
        if notification.malformed:
            reasons = {wrong.subject: wrong.reason for wrong in notification.malformed}
            times = Counter(wrong.subject for wrong in notification.malformed)
            found = [(subject, reasons[subject], count) for subject, count in times.items()]
            malformed.add(self.connection, found, self.now)

    def _open(self, alerts: list[Alert], sender: str) -> bool:
        """Open episodes, and tell whether any of them waits for something.

        One that may be stale (not newer than what was closed) waits until it is seen active twice.
        """
        if not alerts:
            return False
        ended = episodes.last_ends(self.connection, [alert.identity for alert in alerts])
        states = [
            EpisodeState.RETURNING if alert.starts_at <= ended.get(alert.identity, -math.inf) else EpisodeState.OPEN
            for alert in alerts
        ]
        added = episodes.add(self.connection, list(zip(alerts, states, strict=True)), sender, self.now)
        self.receipt.accepted = len(added)
        self.opened.update(episode.fingerprint for episode in added)
        rows: list[Verdicts] = []
        for episode, state in zip(added, states, strict=True):
            rows += self.verdicts(episode) if state is EpisodeState.OPEN else [_unsure(episode, self.now)]
        self.add(added, [row for row in rows if row[-1] is not None])
        opened = [episode for episode, state in zip(added, states, strict=True) if state is EpisodeState.OPEN]
        escalation.tell_at_once(self.connection, opened, self.policy, self.now)
        new = [row for row in rows if row[-1] is None]
        looked = self.first_look(self._candidates(opened, new))
        if looked is None:
            self.add(opened, new)
            return True
        self.receipt.add(looked)
        return looked.waits or len(opened) < len(added)

    def _candidates(self, opened: Sequence[Episode], rows: Sequence[Verdicts]) -> list[Candidate]:
        of = {episode.id: episode for episode in opened}
        pending = (decisions.PENDING, self.now, 0)
        return [Candidate(UNWRITTEN, of[id_], name, host, target, *pending) for id_, name, host, target, _ in rows]

    def verdicts(self, episode: Episode) -> list[Verdicts]:
        """Return the first row for each remediation of an episode; None: it is decided on in the next round."""
        chosen, refusal = gates.choose(episode, self.policy)
        if refusal is not None:
            return [(episode.id, "", "", "", refusal)]
        rows: list[Verdicts] = []
        for remediation in chosen:
            case = case_for(episode, remediation, self.policy, self.now)
            decision = gates.decide(case, gates.CONFIGURED)
            final = None if decision.verdict is Verdict.RUN else decision
            rows.append((episode.id, remediation.name, case.host, case.target, final))
        return rows

    def add(self, about: Sequence[Episode], rows: list[Verdicts]) -> None:
        """Write first rows down, for these episodes."""
        told = {episode.id: episode for episode in about}
        for episode_id, remediation, _, _, decision in rows:
            if decision is not None:
                self.receipt.decided[remediation, str(decision.verdict)] += 1
                if remediation:
                    self.receipt.news.append(News(told[episode_id], remediation, decision))
        decisions.add(self.connection, rows, self.now)


def _unsure(episode: Episode, now: float) -> Verdicts:
    why = "it was closed, and this notification may be an old one: whether the alert is active is being asked, twice"
    return (episode.id, "", "", "", Decision(Verdict.NOT_FIRING, why, now + gates.ASK_AGAIN_SECONDS))


def case_for(episode: Episode, remediation: Remediation, policy: Policy, now: float) -> Case:
    """Make the case of an episode of which nothing more is known."""
    host = remediation.host_for(episode.labels)
    target = remediation.target_for(episode.labels, host)
    return Case(episode, remediation, host, target, policy.settings.limits, History(), Standing(), now)
