"""`remedy resume`: ends a pause."""

import json
from pathlib import Path
from urllib.parse import urlencode

import click

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG


@click.command()
@click.option("--remediation", default="", help="Only this one's pause; without it the one over everything.")
@AS_JSON
@CONFIG
def command(remediation: str, file: Path, *, as_json: bool) -> None:
    """End a pause: what is held is decided again at once.

    Example: remedy resume
    """
    said = BridgeClient(file).reach("DELETE", f"/api/v1/pause?{urlencode({'remediation': remediation})}")
    click.echo(json.dumps(said, indent=2) if as_json else f"resumed {remediation or 'everything'}")
