"""`remedy resume`: ends a pause."""

from pathlib import Path
from urllib.parse import urlencode

import click

from remedy.control.client import BridgeClient
from remedy.control.options import CONFIG


@click.command()
@click.option("--remediation", default="", help="Only this one's pause; without it the one over everything.")
@CONFIG
def command(remediation: str, file: Path) -> None:
    """End a pause: what is held is decided again at once.

    Example: remedy resume
    """
    BridgeClient(file).ask("DELETE", f"/api/v1/pause?{urlencode({'remediation': remediation})}")
    click.echo(f"resumed {remediation or 'everything'}")
