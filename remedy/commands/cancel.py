"""`remedy cancel`: an operator's word on one run."""

from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import CONFIG


@click.command()
@click.argument("run", type=int)
@CONFIG
def command(run: int, file: Path) -> None:
    """End a run that has not begun, or waits for its next attempt.

    Example: remedy cancel 17
    """
    BridgeClient(file).ask("POST", f"/api/v1/runs/{run}/cancel")
    click.echo(f"run {run}: cancel")
