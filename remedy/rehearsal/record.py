"""What a stage's ledger says has happened since one looked last, with the keys by which it is expected."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from bridge.ledger import pages
from bridge.ledger.decisions import PENDING
from bridge.policy.remediation import Policy
from remedy.config.durations import format_duration
from remedy.rehearsal.hands import filled
from remedy.rehearsal.stage import Stage

Row = dict[str, Any]


class Record:
    """Remembers how far it has looked; what was before the test is not looked at."""

    def __init__(self, stage: Stage, policy: Policy) -> None:
        """Take the real policy, for the steps that it would do."""
        self._stage, self._policy = stage, policy
        self._decided = self._told = 0
        self._ended: set[int] = set()
        self.news()

    def news(self) -> dict[str, list[Row]]:
        """Return the decisions, the runs that ended and the messages since the last call, in order."""
        with self._stage.ledger.read() as connection:
            decided = pages.decision_page(connection)
            runs = pages.run_page(connection)
            told = pages.escalation_page(connection)
        decisions = [row for row in reversed(decided) if row["id"] > self._decided and row["decision"] != PENDING]
        ended = [row for row in reversed(runs) if row["outcome"] and row["id"] not in self._ended]
        messages = [row for row in reversed(told) if row["id"] > self._told]
        self._decided = max([self._decided, *(row["id"] for row in decisions)])
        self._told = max([self._told, *(row["id"] for row in messages)])
        self._ended.update(row["id"] for row in ended)
        return {
            "decisions": [self._decision(row) for row in decisions],
            "runs": [self._run(row) for row in ended],
            "told": [{**_some(row, "remediation", "level", "title"), "to": row["notifier"]} for row in messages],
        }

    def _decision(self, row: Mapping[str, Any]) -> Row:
        labels = row["episode"]["labels"] if row["episode"] else {}
        remediation = self._policy.named(row["remediation"]) if row["remediation"] else None
        steps = [] if remediation is None else filled(remediation, labels, self._policy.settings.allow)
        place = _some(row, "decision", "remediation", "host", "target", "reason")
        return {**place, "labels": labels, "due": self._after(row["due_at"]), "steps": steps}

    def _run(self, row: Mapping[str, Any]) -> Row:
        place = _some(row, "outcome", "remediation", "host", "target", "attempts", "reason")
        return {**place, "labels": row["episode"]["labels"]}

    def _after(self, moment: str | None) -> str | None:
        if moment is None:
            return None
        return format_duration(timedelta(seconds=datetime.fromisoformat(moment).timestamp() - self._stage.start))


def _some(row: Mapping[str, Any], *keys: str) -> Row:
    return {key: row[key] for key in keys}
