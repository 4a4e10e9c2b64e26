"""A draft of a post-mortem, from the record of one run: what is known stands there, what only people know is asked."""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

_QUOTED_LINES = 40
_QUOTE, _OTHER_QUOTE = "`", "'"
_ASK = "_to be written_"

PREVENTION = (
    "Can the cause be kept from coming back (limit, rotation, renewal, capacity, retry)?",
    "Would a check or a log pattern have seen it earlier?",
    "Can the remediation be made to do more of what was done by hand?",
)
IMPROVEMENT = (
    "Detection: was the alert early enough, and was it the right one?",
    "Response: did the first action collect what was needed to find the cause?",
    "Recovery: did the remediation help at its first attempt? If not, what is missing in it?",
    "Escalation: did the right people hear of it, and soon enough?",
    "Verification: did what proved the fix watch what users need?",
    "Runbook: is what had to be done by hand written down?",
    "Data: was any lost, and are the backups that were made still needed?",
)


def title(run: Mapping[str, Any]) -> str:
    """Return the title, in one line."""
    labels = run["episode"]["labels"]
    return (
        f"Post-mortem: {_line(labels.get('alertname', run['remediation']))} on {_line(run['target'])}, run {run['id']}"
    )


def draft(run: Mapping[str, Any]) -> str:
    """Return Markdown; `run` is what `GET /api/v1/runs/ID` answers."""
    parts = [
        [f"# {title(run)}"],
        ["## Summary", *_summary(run)],
        ["## Detection", *_detection(run)],
        ["## Impact", f"- Unavailable or impaired: {_lasted(run)}", f"- Who and what was affected: {_ASK}"],
        ["## Cause", *_cause(run), f"- Cause: {_ASK}"],
        ["## Steps taken", *_steps(run)],
        ["## Timeline", "| when | what |", "|---|---|", *_timeline(run)],
        ["## Prevention", *(f"- [ ] {each}" for each in PREVENTION)],
        ["## Improvement", *(f"- [ ] {each}" for each in IMPROVEMENT)],
    ]
    return "\n\n".join("\n".join(part) for part in parts) + "\n"


def _summary(run: Mapping[str, Any]) -> Iterator[str]:
    yield f"- Outcome: **{run['outcome'] or run['state']}**: {_line(run['reason'])}"
    yield f"- Remediation: `{run['remediation']}`, {run['attempts']} attempts"
    if run["by_hand"]:
        yield f"- Run by hand, asked for by {_line(run['by_hand'])}"


def _detection(run: Mapping[str, Any]) -> Iterator[str]:
    episode = run["episode"]
    if run["by_hand"]:
        yield "- Nothing detected it: a person ran the remediation"
        return
    yield f"- By the alert `{_line(episode['labels'].get('alertname', '?'))}`, firing since {episode['starts_at']}"
    yield from (f"- {_line(name)}: `{_line(value)}`" for name, value in sorted(episode["labels"].items()))
    yield f"- Looked at since {run['created_at']}, first step at {run['started_at'] or '-'}"


def _lasted(run: Mapping[str, Any]) -> str:
    begin, end = run["episode"]["starts_at"], run["ended_at"]
    if end is None:
        return f"since {begin}, not over yet"
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(begin)).total_seconds()
    return f"{begin} to {end}, {seconds / 60:.1f} minutes"


def _cause(run: Mapping[str, Any]) -> Iterator[str]:
    """Quote what the steps that only look found: they are there for this."""
    for step in run["steps"]:
        lines = (step["output"] or "").splitlines()
        if lines:
            yield f"What `{step['action']}` wrote at {step['started_at']}:"
            left_out = len(lines) - _QUOTED_LINES
            yield "\n".join(["", *(f"    {_plain(line)}" for line in lines[:_QUOTED_LINES])])
            yield f"    … {left_out} more lines: `remedy history {run['id']}`\n" if left_out > 0 else ""


def _steps(run: Mapping[str, Any]) -> Iterator[str]:
    for number, step in enumerate(run["steps"], 1):
        yield f"{number}. attempt {step['attempt']}: `{step['action']}` {step['outcome'] or 'under way'}: " + _line(
            step["reason"] or ""
        )
    yield f"- By hand: {_ASK}"


def _timeline(run: Mapping[str, Any]) -> Iterator[str]:
    """Yield rows in the order of time."""
    rows = [(run["episode"]["starts_at"], "it began" if run["by_hand"] else "the alert began to fire")]
    rows += [(each["at"], f"{each['decision']}: {each['reason']}") for each in run["decisions"]]
    for attempt in run["tries"]:
        rows.append((attempt["started_at"], f"attempt {attempt['number']} began"))
        if attempt["ended_at"]:
            rows.append((attempt["ended_at"], f"attempt {attempt['number']}: {attempt['verification']}"))
    for step in run["steps"]:
        if step["started_at"]:
            rows.append((step["started_at"], f"{step['action']}: {step['outcome'] or 'under way'}"))
    rows += [(each["at"], f"{each['notifier']} told ({each['level']}): {each['state']}") for each in run["escalations"]]
    if run["ended_at"]:
        rows.append((run["ended_at"], f"the run ended: {run['outcome']}"))
    for when, what in sorted(rows, key=lambda row: datetime.fromisoformat(row[0])):
        yield f"| {when} | {_line(what).replace('|', '/')} |"


def _line(text: str) -> str:
    """Make one line that is no Markdown of its own making."""
    return _plain(" ".join(text.split())).replace(_QUOTE, _OTHER_QUOTE).replace("<", "&lt;")


def _plain(text: str) -> str:
    return "".join(char if char.isprintable() or char in "\u200c\u200d" else " " for char in text)
