"""`remedy history`: what was run, and the whole story of one run."""

import json
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG


@click.command()
@click.argument("run", type=int, required=False)
@click.option("--limit", default=20, show_default=True, type=click.IntRange(1, 1000))
@AS_JSON
@CONFIG
def command(run: int | None, limit: int, file: Path, *, as_json: bool) -> None:
    """Show the latest runs, or everything about one: attempts, steps, what they printed, who was told.

    Example: remedy history 17
    """
    path = f"/api/v1/runs?limit={limit}" if run is None else f"/api/v1/runs/{run}"
    found = BridgeClient(file).ask("GET", path)
    if as_json:
        click.echo(json.dumps(found, indent=2, ensure_ascii=False))
    elif run is None:
        Console().print(_table(found["runs"]))
    else:
        click.echo("\n".join(_story(found)))


def _table(runs: list[dict[str, Any]]) -> Table:
    table = Table("run", "created", "remediation", "target", "outcome", "reason", box=None, pad_edge=False)
    for run in runs:
        outcome = run["outcome"] or run["state"]
        table.add_row(str(run["id"]), run["created_at"], run["remediation"], run["target"], outcome, run["reason"])
    return table


def _story(run: dict[str, Any]) -> list[str]:
    labels = ", ".join(f"{name}={value}" for name, value in run["episode"]["labels"].items())
    lines = [
        f"run {run['id']}: {run['remediation']} on {run['target']}: {run['outcome'] or run['state']}: {run['reason']}",
        f"  alert {labels}",
        f"  since {run['episode']['starts_at']}, created {run['created_at']}, ended {run['ended_at'] or '-'}",
    ]
    for attempt in run["tries"]:
        lines.append(f"  attempt {attempt['number']} at {attempt['started_at']}: {attempt['verification'] or '…'}")
        lines += [line for step in run["steps"] if step["attempt"] == attempt["number"] for line in _step(step)]
    lines += [line for step in run["steps"] if step["attempt"] == 0 for line in _step(step)]
    lines += [f"  told {told['notifier']} ({told['level']}): {told['state']}" for told in run["escalations"]]
    return lines


def _step(step: dict[str, Any]) -> list[str]:
    printed = (step["output"] or "").splitlines()
    return [
        f"    {step['action']} {step['outcome'] or 'under way'}: {step['reason'] or ''}",
        *(f"      | {line}" for line in printed),
    ]
