"""The whole story of an episode for people: alert, decisions, attempts, outputs, and what to do by hand."""

from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Connection, select

from bridge.decision.facts import Episode
from bridge.ledger.schema import attempts, decisions, runs, steps

_OUTPUT_SHOWN = 2000
_LABEL_SHOWN = 200
_FIRST_DECISIONS, _LAST_DECISIONS = 10, 40
"""What is held for days gets another verdict thousands of times; no channel takes a story of that length."""
_QUOTE, _OTHER_QUOTE = "`", "'"
_JOINERS = "\u200c\u200d"
"""Without them names in several scripts, and emoji made of others, fall apart; they hide and turn nothing."""


def title(episode: Episode, remediation: str, what: str) -> str:
    """Return one line: what happened to which alert."""
    happened = f"{remediation}: {what}" if remediation else what
    return _line(f"{subject(episode)}: {happened}")


def subject(episode: Episode) -> str:
    """Return which alert it is, and where."""
    name = episode.labels.get("alertname", "an alert")
    where = episode.labels.get("instance") or episode.labels.get("host") or "unknown host"
    return f"{_line(name, _LABEL_SHOWN)} on {_line(where, _LABEL_SHOWN)}"


def story(connection: Connection, episode: Episode, run_id: int | None, runbook_url: str | None) -> str:
    """Return Markdown that reads well as plain text."""
    parts = [_alert(episode), _decisions(connection, episode)]
    if run_id is not None:
        parts.append(_attempts(connection, run_id))
    by_hand = runbook_url or episode.annotations.get("runbook_url")
    if by_hand:
        parts.append(f"By hand: {_line(by_hand)}")
    return "\n\n".join(part for part in parts if part)


def ending(connection: Connection, episode: Episode, remediation: str, reason: str) -> str:
    """Return Markdown about an episode that has closed: why it is over, and what the runs of a remediation came to."""
    query = select(runs).where(runs.c.episode_id == episode.id, runs.c.remediation == remediation)
    lines = [f"It is over: {_line(reason)}."]
    lines += [
        f"- run {run.id} {run.outcome or run.state} after {run.attempts} attempts: {_line(run.reason)}"
        for run in connection.execute(query.order_by(runs.c.id))
    ]
    return "\n\n".join(["\n".join(lines), _alert(episode)])


def moment(unix: float) -> str:
    """Write a time as people and machines read it (RFC 3339, UTC)."""
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _alert(episode: Episode) -> str:
    lines = [f"**Alert** since {moment(episode.starts_at)}", *_pairs(episode.labels)]
    lines += [f"- {_line(text)}" for name in ("summary", "description") if (text := episode.annotations.get(name))]
    return "\n".join(lines)


def _pairs(labels: Mapping[str, str]) -> list[str]:
    shown = ((_line(name, _LABEL_SHOWN), _line(value, _LABEL_SHOWN)) for name, value in sorted(labels.items()))
    return [f"- {name}: `{value.replace(_QUOTE, _OTHER_QUOTE)}`" for name, value in shown]


def _line(text: str, longest: int = 1000) -> str:
    """Make one plain, short line of a text that came from outside: no text of an alert may pass for a part of ours."""
    if not text.isprintable():
        text = "".join(char if char.isprintable() or char in _JOINERS else " " for char in text)
    return text if len(text) <= longest else f"{text[: longest - 1]}…"


def _decisions(connection: Connection, episode: Episode) -> str:
    query = select(decisions).where(decisions.c.episode_id == episode.id).order_by(decisions.c.id)
    lines = [
        f"- {moment(row.at)} {row.decision}: {_line(row.reason)}" for row in connection.execute(query) if row.reason
    ]
    left_out = len(lines) - _FIRST_DECISIONS - _LAST_DECISIONS
    if left_out > 0:
        lines[_FIRST_DECISIONS:-_LAST_DECISIONS] = [f"- … {left_out} more, see `remedy history --decisions`"]
    return "\n".join(["**Decisions**", *lines]) if lines else ""


def _attempts(connection: Connection, run_id: int) -> str:
    lines = [f"**Run {run_id}**"]
    for attempt in connection.execute(select(attempts).where(attempts.c.run_id == run_id).order_by(attempts.c.number)):
        lines.append(
            f"- attempt {attempt.number} at {moment(attempt.started_at)}: {_line(attempt.verification or 'under way')}"
        )
        journal = select(steps).where(steps.c.run_id == run_id, steps.c.attempt == attempt.number)
        for step in connection.execute(journal.order_by(steps.c.position)):
            lines.append(f"  - {step.action}: {step.outcome or 'under way'}: {_line(step.reason or '')}")
            if step.output:
                lines += [f"    > {_line(line)}" for line in step.output[-_OUTPUT_SHOWN:].splitlines()]
    return "\n".join(lines)
