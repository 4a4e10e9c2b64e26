"""`remedy approve`: an operator's word on one run."""

from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import CONFIG


@click.command()
@click.argument("run", type=int)
@CONFIG
def command(run: int, file: Path) -> None:
    """Let a run that waits for approval go on, through the gates again.

    Example: remedy approve 17
    """
    BridgeClient(file).ask("POST", f"/api/v1/runs/{run}/approve")
    click.echo(f"run {run}: approve")
