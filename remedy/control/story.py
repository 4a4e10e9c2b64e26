"""The story of one run, for a terminal: what came from alerts and steps can neither colour it nor move its cursor."""

from collections.abc import Iterator, Mapping
from typing import Any

from rich.markup import escape


def plain(text: str) -> str:
    """Make one line that a terminal shows as it is: control and format characters are spelled out."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)


def cell(text: str) -> str:
    """Make a cell of a table: plain, and no markup of rich's."""
    return escape(plain(text))


def labels_of(labels: Mapping[str, str]) -> str:
    """Spell labels in one line."""
    return plain(", ".join(f"{name}={value}" for name, value in labels.items()))


def story(run: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines: what was asked, every decision, every attempt with what its steps printed, who was told."""
    how = f"{run['outcome'] or run['state']}: {run['reason']}"
    yield plain(f"run {run['id']}: {run['remediation']} on {run['target']}: {how}")
    if run["by_hand"]:
        yield plain(f"  by hand, asked for by {run['by_hand']}; no alert")
    yield f"  {'labels' if run['by_hand'] else 'alert'} {labels_of(run['episode']['labels'])}"
    started = f", first step {run['started_at']}" if run["started_at"] else ""
    yield f"  since {run['episode']['starts_at']}, created {run['created_at']}{started}, ended {run['ended_at'] or '-'}"
    for decision in run["decisions"]:
        looks = f" ({decision['looks']} looks until {decision['looked_at']})" if decision["looks"] > 1 else ""
        yield plain(f"  {decision['at']} {decision['decision']}: {decision['reason']}{looks}")
    for attempt in run["tries"]:
        yield plain(f"  attempt {attempt['number']} at {attempt['started_at']}: {attempt['verification'] or '…'}")
        yield from _steps(run, attempt["number"])
    yield from _steps(run, 0)
    if run["state"] == "waiting" and run["due_at"]:
        yield f"  the next attempt is due at {run['due_at']}"
    for told in run["escalations"]:
        error = f": {told['error']}" if told["error"] else ""
        yield plain(f"  told {told['notifier']} ({told['level']}): {told['state']}{error}")
    if run.get("output_hidden"):
        yield f"  ({run['output_hidden']})"


def _steps(run: Mapping[str, Any], attempt: int) -> Iterator[str]:
    for step in run["steps"]:
        if step["attempt"] == attempt:
            yield plain(f"    {step['action']} {step['outcome'] or 'under way'}: {step['reason'] or ''}")
            yield from (f"      | {plain(line)}" for line in (step["output"] or "").splitlines())
