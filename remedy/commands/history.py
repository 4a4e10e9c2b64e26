"""`remedy history`: what was run, and the whole story of one run."""

import json
import sys
from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG
from remedy.control.story import cell, story

_WIDE = 10_000


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
        _console().print(_table(found["runs"]) if found["runs"] else "nothing has been run yet")
    else:
        click.echo("\n".join(story(found)))


def _console() -> Console:
    """Fold to a terminal's width; a pipe gets each run in one line."""
    return Console(width=None if sys.stdout.isatty() else _WIDE)


def _table(runs: list[dict[str, Any]]) -> Table:
    table = Table("run", "created", "remediation", "target", "outcome", "reason", box=None, pad_edge=False)
    for run in runs:
        outcome = run["outcome"] or run["state"]
        words = (str(run["id"]), run["created_at"], run["remediation"], run["target"], outcome, run["reason"])
        table.add_row(*map(cell, words))
    return table
