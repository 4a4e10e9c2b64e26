"""What was done before a test begins, into its ledger."""

from collections.abc import Sequence

from sqlalchemy import Connection

from bridge.decision.gates import Decision, Verdict
from bridge.decision.payload import Alert
from bridge.escalation.stories import moment
from bridge.ledger import decisions, episodes, runs
from bridge.ledger.decisions import Entry
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.runs import Outcome, RunState
from bridge.policy.remediation import Policy
from remedy.rehearsal.keys import PastKeys

_WITHOUT_STEPS = (Outcome.CANCELLED, Outcome.DENIED, Outcome.DRY_RUN)
_BEFORE = "before the test"


def remember(connection: Connection, policy: Policy, past: Sequence[PastKeys], start: float) -> None:
    """Write it down, the oldest first; each was over in the moment in which it began."""
    for each in sorted(past, key=lambda one: one.ended, reverse=True):
        remediation = policy.named(each.remediation)
        if remediation is None:
            raise ValueError(f"there is no remediation {each.remediation!r}")
        at = start - each.ended.total_seconds()
        alert = Alert.model_validate({"status": "firing", "labels": each.labels, "startsAt": moment(at)})
        (episode,) = episodes.add(connection, [(alert, EpisodeState.OPEN)], "", at)
        host = remediation.host_for(episode.labels)
        target = remediation.target_for(episode.labels, host)
        decisions.add(connection, [(episode.id, remediation.name, host, target, None)], at)
        candidate = decisions.current(connection, episode.id, remediation.name)
        if candidate is None:
            raise LookupError("a decision that was just made is not there")
        state = RunState.WAITING if each.outcome in _WITHOUT_STEPS else RunState.RUNNING
        run = runs.create(connection, candidate, state, _BEFORE, at)
        decisions.record(connection, [Entry(candidate, Decision(Verdict.RUN, _BEFORE), run.id)], at)
        runs.end(connection, run.id, each.outcome, _BEFORE, at)
        episodes.close(connection, episode.id, at, at, _BEFORE)
