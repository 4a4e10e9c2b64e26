"""`remedy pause`: holds fixes for a while."""

from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import CONFIG


@click.command()
@click.argument("reason")
@click.option("--for", "duration", help="How long, such as 2h; without it until `remedy resume`.")
@click.option("--remediation", default="", help="Only this one; without it everything.")
@CONFIG
def command(reason: str, duration: str | None, remediation: str, file: Path) -> None:
    """Hold fixes: nothing is lost, and what still fires is decided again when the pause ends.

    Example: remedy pause "database migration" --for 2h
    """
    wanted = {"reason": reason, "remediation": remediation}
    BridgeClient(file).ask("PUT", "/api/v1/pause", wanted | ({"duration": duration} if duration else {}))
    click.echo(f"paused {remediation or 'everything'}{f' for {duration}' if duration else ''}: {reason}")
