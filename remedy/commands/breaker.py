"""`remedy breaker`: shows the breakers that are open, and resets them."""

import json
from pathlib import Path

import click

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG
from remedy.control.story import plain


@click.group(invoke_without_command=True)
@AS_JSON
@CONFIG
@click.pass_context
def command(context: click.Context, file: Path, *, as_json: bool) -> None:
    """Show the breakers that are open. One opens when a remediation would touch too many hosts; a person closes it.

    Example: remedy breaker reset
    """
    if context.invoked_subcommand is not None:
        return
    found = BridgeClient(file).reach("GET", "/api/v1/breaker")
    lines = [plain(f"{each['remediation']} since {each['at']}: {each['reason']}") for each in found["breakers"]]
    spelled = "\n".join(lines) or "no breaker is open"
    click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else spelled)


@command.command()
@click.option("--remediation", help="Only this one's; without it all.")
@AS_JSON
@CONFIG
def reset(remediation: str | None, file: Path, *, as_json: bool) -> None:
    """Close breakers that have opened; what is held is decided again at once.

    Example: remedy breaker reset --remediation restart-api
    """
    body = {"remediation": remediation} if remediation else {}
    said = BridgeClient(file).reach("POST", "/api/v1/breaker/reset", body)
    spelled = f"closed: {', '.join(said['remediations'])}" if said["remediations"] else "no breaker was open"
    click.echo(json.dumps(said, indent=2) if as_json else spelled)
