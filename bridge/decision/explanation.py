"""Why an alert would or would not be acted on now: its remediations, every gate's verdict, and what the steps would do.

Nothing is recorded and nothing is changed.
"""

import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from bridge.actions.backups.store import BackupStore
from bridge.decision import gates
from bridge.decision.facts import Episode, History, Standing
from bridge.decision.gates import Case, Decision, Verdict
from bridge.decision.intake import RESOLVED_REASON, case_for
from bridge.decision.payload import Notification
from bridge.ledger.runs import Run, RunState
from bridge.policy.remediation import Policy, Remediation
from bridge.run.steps import Workshop

_SUBJECT_SHOWN = 200
"""Characters of what is no alert."""
Remember = Callable[[Episode, Remediation, str, str], History]
"""What the ledger remembers for an episode and a remediation, on a host and a target."""


def explain(
    policy: Policy, episode: Episode, remember: Remember, standing: Standing, now: float
) -> list[dict[str, Any]]:
    """Explain one firing episode: a dict for each remediation that it gets, or one that says why it gets none."""
    chosen, refusal = gates.choose(episode, policy)
    if refusal is not None:
        return [_nothing_for(episode.labels, episode.fingerprint, refusal)]
    about = {"labels": dict(episode.labels), "fingerprint": episode.fingerprint}
    found = []
    for remediation in chosen:
        bare = case_for(episode, remediation, policy, now)
        history = remember(episode, remediation, bare.host, bare.target)
        case = bare._replace(history=history, standing=standing)
        verdicts = [{"gate": gate.__name__, "objection": _objection(gate(case))} for gate in gates.GATES]
        place = {"remediation": remediation.name, "host": case.host, "target": case.target}
        rest = {"gates": verdicts, "plan": list(_plan(policy, case))}
        found.append(about | place | _spell(gates.decide(case)) | rest)
    return found


def explain_the_rest(notification: Notification) -> list[dict[str, Any]]:
    """Explain what does not fire: alerts that are resolved, and what is no alert."""
    over = Decision(Verdict.RESOLVED, RESOLVED_REASON)
    found = [
        _nothing_for(alert.labels, alert.identity, over) for alert in notification.alerts if alert.status == "resolved"
    ]
    for wrong in notification.malformed:
        reason = f"{wrong.reason}: {wrong.subject[:_SUBJECT_SHOWN]}"
        found.append(_nothing_for({}, "", Decision(Verdict.MALFORMED, reason)))
    return found


def _nothing_for(labels: Mapping[str, str], fingerprint: str, decision: Decision) -> dict[str, Any]:
    about = {"labels": dict(labels), "fingerprint": fingerprint, "remediation": None}
    return about | _spell(decision) | {"gates": [], "plan": []}


def _spell(decision: Decision) -> dict[str, str]:
    return {"decision": str(decision.verdict), "reason": decision.reason}


def _objection(decision: Decision | None) -> str | None:
    return None if decision is None else decision.reason


def _plan(policy: Policy, case: Case) -> Iterator[dict[str, str]]:
    """Say what each step would do; by the same code that would do it."""
    if gates.decide(case, gates.CONFIGURED).verdict is not Verdict.RUN:
        return
    run = Run(0, case.remediation.name, case.host, case.target, RunState.QUEUED, 0, case.episode, episode_open=True)
    workshop = Workshop(run, case.remediation, policy.settings.allow, BackupStore(Path("backups")), threading.Event())
    for step in case.remediation.steps:
        yield {"action": step.action, "plan": workshop.plan(step)}


def as_episodes(notification: Notification, now: float) -> list[Episode]:
    """Return the firing alerts of a notification as the episodes that they would be."""
    return [
        Episode(0, alert.identity, alert.labels, alert.annotations, alert.starts_at, now, now)
        for alert in notification.alerts
        if alert.status == "firing"
    ]
