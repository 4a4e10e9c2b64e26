"""`remedy breaker`: shows the breakers, and resets them."""

from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import CONFIG


@click.group()
def command() -> None:
    """Breakers open when a remediation would touch too many hosts; only a person closes them.

    Example: remedy breaker reset
    """


@command.command()
@click.option("--remediation", help="Only this one's; without it all.")
@CONFIG
def reset(remediation: str | None, file: Path) -> None:
    """Close breakers that have opened; what is held is decided again at once.

    Example: remedy breaker reset --remediation restart-api
    """
    body = {"remediation": remediation} if remediation else {}
    closed = BridgeClient(file).ask("POST", "/api/v1/breaker/reset", body)["remediations"]
    click.echo(f"closed: {', '.join(closed)}" if closed else "no breaker was open")
