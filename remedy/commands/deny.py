"""`remedy deny`: an operator's word on one run."""

from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import CONFIG


@click.command()
@click.argument("run", type=int)
@CONFIG
def command(run: int, file: Path) -> None:
    """Refuse a run that waits for approval; the episode is not fixed by it.

    Example: remedy deny 17
    """
    BridgeClient(file).ask("POST", f"/api/v1/runs/{run}/deny")
    click.echo(f"run {run}: deny")
