"""What the ledger remembers of alerts that are to be explained."""

from collections.abc import Sequence
from dataclasses import replace

from sqlalchemy import Connection

from bridge.decision.explanation import Remember
from bridge.decision.facts import UNWRITTEN, Candidate, Episode, History, Pause
from bridge.ledger import episodes
from bridge.ledger.histories import Histories
from bridge.policy.remediation import Policy, Remediation


def known(connection: Connection, fires: Sequence[Episode]) -> list[Episode]:
    """Name those of these that fire already as the ledger does: they are no return of themselves."""
    found = episodes.unclosed(connection, [episode.fingerprint for episode in fires])
    ids = {fingerprint: row.id for fingerprint, row in found.items()}
    return [replace(episode, id=ids.get(episode.fingerprint, episode.id)) for episode in fires]


def remembering(connection: Connection, policy: Policy, now: float, pause: Pause | None) -> Remember:
    """Return who tells what the gates must know of the past; `pause` is one that is not in the ledger."""

    def remember(episode: Episode, remediation: Remediation, host: str, target: str) -> History:
        candidate = Candidate(UNWRITTEN, episode, remediation.name, host, target, "", now, 0)
        histories = Histories(connection, [(candidate, remediation)], policy.settings.limits, now, pause)
        return histories.of(candidate, remediation)

    return remember
