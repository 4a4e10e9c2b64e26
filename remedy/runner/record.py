"""What happens, as it happens: counted for each iteration, and told in the daemon's words."""

import json
from dataclasses import asdict, dataclass

from bridge.decision.gates import Verdict
from bridge.decision.payload import Alert
from bridge.ledger import progress
from bridge.ledger.runs import Outcome
from bridge.ledger.schema import AnyRow
from remedy.error_patterns.patterns import Told
from remedy.runner.engine import Engine
from remedy.runner.log import DaemonLog
from remedy.runner.task import Task

_SHOWN = 200
"""Characters of a matching line, as the daemon kept of it."""
_WHY_NOT = {
    Verdict.DISABLED: "自動修復無効",
    Verdict.COOLDOWN: "クールダウン期間中",
    Verdict.PAUSED: "一時停止中",
    Verdict.SILENCED: "サイレンス中",
}


@dataclass
class Counts:
    """One iteration, under the daemon's own names."""

    iteration: int = 0
    errors_detected: int = 0
    """Alerts that began: a pattern in a log, or a check that fails."""
    fixes_attempted: int = 0
    """Attempts that began."""
    fixes_succeeded: int = 0
    """Runs that are proven to have helped."""
    fixes_failed: int = 0
    """Attempts that did not help, or are not proven to have."""
    last_error_id: str = ""
    last_error_summary: str = ""

    def __str__(self) -> str:
        return " ".join(f"{name}={value}" for name, value in asdict(self).items() if name != "iteration")

    def as_json(self) -> str:
        """Return one line of JSON."""
        return json.dumps(asdict(self), ensure_ascii=False)


class Record:
    """Looks into the ledger for what is new, and tells it."""

    def __init__(self, task: Task, log: DaemonLog, engine: Engine) -> None:
        """Begin when the engine did: what ended before is not told."""
        self._task, self._log, self._ledger, self._latest = task, log, engine.bridge.ledger, engine.latest
        self.counts = Counts()
        with self._ledger.read() as connection:
            self._attempt, self._step = progress.newest(connection, engine.began)
            self._attempts = set(progress.unended_attempts(connection, engine.began))
            """Attempts that have not ended yet, also those of an earlier process."""
        self._left: dict[str, str] = {}
        """Why something that was found is not fixed, by what it is called."""

    def begin(self, iteration: int) -> None:
        """Count anew."""
        self.counts = Counts(iteration)

    def detected(self, alert: Alert) -> None:
        """Tell of an alert that began."""
        labels = alert.labels
        self.counts.errors_detected += 1
        pattern = labels.get("pattern", "")
        if pattern:
            line = self._latest(pattern).get(labels["source"], "")[:_SHOWN]
            where = f"Severity: {labels['severity']}, File: {labels['source']}"
            self._log.say(f"エラー検出: {self._task.name_of(pattern)} ({where})", "WARNING")
        else:
            line = f"{labels['alertname']} {labels.get('check', '')}".strip()
            self._log.say(f"エラー検出: {line} (Severity: {labels['severity']})", "WARNING")
        self.counts.last_error_id = pattern or labels.get("check", labels["alertname"])
        self.counts.last_error_summary = line

    def decided(self, alert: Alert) -> None:
        """Tell why nothing is done about an alert, where nothing is."""
        with self._ledger.read() as connection:
            found = [one for one in progress.standing(connection) if one.episode.fingerprint == alert.identity]
        for row in (row for one in found for row in one.decisions if row.run_id is None):
            name = row.remediation or alert.labels["alertname"]
            why = f"{row.decision}: {self._reason(row)}"
            if "check" not in alert.labels:  # a check is asked again at the end
                self._left[name] = why
            self._log.say(f"{_WHY_NOT.get(row.decision, '修復保留')}: {name} ({why})")

    def look(self) -> None:
        """Tell of the attempts and steps that began since the last look, and of the attempts that ended."""
        with self._ledger.read() as connection:
            begun = progress.attempts_since(connection, self._attempt)
            steps = progress.steps_since(connection, self._step)
            ended = progress.attempts_of(connection, self._attempts | {row.id for row in begun})
        for row in begun:
            self._attempt = row.id
            self._attempts.add(row.id)
            self.counts.fixes_attempted += 1
        for row in steps:
            self._step = row.id
            told = self._told(row)
            self._log.say(f"修復アクション実行: {told.type}{f' - {told.description}' if told.description else ''}")
        for row in ended:
            if row.ended_at is not None and row.id in self._attempts:
                self._attempts.discard(row.id)
                self._ended(row)

    def left(self) -> list[str]:
        """Say what is still wrong: what was found, and what an earlier process left, unless it is fixed."""
        with self._ledger.read() as connection:
            waiting = {run.remediation: run.reason for run in progress.unended(connection)}
        return [f"{name}: {why}" for name, why in (waiting | self._left).items()]

    def _ended(self, row: AnyRow) -> None:
        helped = row.outcome == Outcome.FIXED and row.number == row.attempts
        if helped:
            self.counts.fixes_succeeded += 1
            self._left.pop(row.remediation, None)
            self._log.say(f"自動修復完了: {row.remediation} ({row.verification})")
        else:
            self.counts.fixes_failed += 1
            self._left[row.remediation] = row.verification
            self._log.say(f"自動修復失敗: {row.remediation} ({row.verification})", "ERROR")

    def _reason(self, decision: AnyRow) -> str:
        """Return why nothing is done; what the file wants fixed and nothing allows is not said to want nothing."""
        pattern = self._task.patterns.get(decision.remediation)
        if decision.decision == Verdict.DISABLED and pattern is not None and pattern.auto_fix:
            return f"none of the actions of {pattern.id} is allowed and known: `remedy check-config` says why"
        return str(decision.reason)

    def _told(self, step: AnyRow) -> Told:
        """Return the file's words for a step, where it stands for an action of error_patterns.json."""
        pattern = self._task.patterns.get(step.remediation)
        position: int = step.position
        told = () if pattern is None else pattern.told
        return told[position] if position < len(told) else Told(step.action, "")
