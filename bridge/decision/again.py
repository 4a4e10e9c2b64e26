"""With another configuration, after a reload or a start: what was decided with the one before is decided anew.

What has led to a run stays as it is. So does what waits for a remediation that the alert would still get, on the same
host and target; it is only looked at at once, for a limit or a cooldown may be another one now.
"""

from collections.abc import Sequence
from hashlib import sha256

from sqlalchemy import Connection

from bridge.decision.gates import Verdict
from bridge.decision.intake import Intake, Receipt, Verdicts
from bridge.escalation import levels as escalation
from bridge.ledger import configured, decisions, episodes
from bridge.ledger.episodes import EpisodeState
from bridge.ledger.schema import AnyRow
from bridge.policy.remediation import Policy

_CONFIGURED = (Verdict.COOLDOWN, Verdict.LIMITED, Verdict.FLAPPING)
"""Reasons whose end the configuration says."""


def after_start(connection: Connection, policy: Policy, now: float) -> Receipt:
    """Do as after a reload, where the last process had another configuration."""
    if configured.known(connection) == _digest(policy):
        return Receipt()
    return after_reload(connection, policy, now)


def after_reload(connection: Connection, policy: Policy, now: float) -> Receipt:
    """Decide anew on every open episode on which this configuration decides otherwise."""
    intake = Intake(connection, policy, now)
    opened = [episode for episode, _ in episodes.in_state(connection, EpisodeState.OPEN)]
    current = decisions.rows_of(connection, [episode.id for episode in opened])
    for episode in opened:
        rows = current.get(episode.id, [])
        over, fresh = _changes(rows, intake.verdicts(episode))
        if over or fresh:
            decisions.retire(connection, [row.id for row in over], now)
            intake.add([episode], fresh)
            escalation.tell_at_once(connection, [episode], policy, now)
    decisions.wake(connection, _CONFIGURED, now)
    configured.remember(connection, _digest(policy))
    return intake.receipt


def _changes(rows: Sequence[AnyRow], wanted: Sequence[Verdicts]) -> tuple[list[AnyRow], list[Verdicts]]:
    """Return which current rows are over, and which come in their place.

    Where there was a run, no other remediation than those that were chosen then comes in.
    """
    places = {(name, host, target) for _, name, host, target, _ in wanted}
    standing = [row for row in rows if _stands(row, places)]
    others = [row for row in rows if row not in standing]
    names = {row.remediation for row in standing}
    chosen = {row.remediation for row in rows}
    is_new = not any(row.run_id is not None for row in rows)
    fresh = [each for each in wanted if each[1] not in names and (is_new or each[1] in chosen)]
    before = {(row.remediation, row.decision, row.reason) for row in others}
    if before == {(name, no and str(no.verdict), no and no.reason) for _, name, _, _, no in fresh}:
        return [], []
    return others, fresh


def _stands(row: AnyRow, places: set[tuple[str, str, str]]) -> bool:
    """Tell whether a current row led to a run, or waits for what the alert would still get."""
    waits = row.due_at is not None and (row.remediation, row.host, row.target) in places
    return row.run_id is not None or waits


def _digest(policy: Policy) -> str:
    """Name what decisions depend on."""
    return sha256(repr((policy.remediations, policy.settings.limits)).encode()).hexdigest()
