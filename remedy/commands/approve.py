"""`remedy approve`: an operator's word on one run."""

import json
from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG


@click.command()
@click.argument("run", type=click.IntRange(min=1))
@AS_JSON
@CONFIG
def command(run: int, file: Path, *, as_json: bool) -> None:
    """Let a run that waits for approval go on, through the gates again.

    Example: remedy approve 17
    """
    said = BridgeClient(file).ask("POST", f"/api/v1/runs/{run}/approve")
    click.echo(json.dumps(said) if as_json else f"run {run}: approved")
