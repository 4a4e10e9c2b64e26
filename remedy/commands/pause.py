"""`remedy pause`: holds fixes for a while, or shows what is held."""

import json
from pathlib import Path
from typing import Any

import click

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG
from remedy.control.story import plain


@click.command()
@click.argument("reason", required=False)
@click.option("--for", "duration", help="How long, such as 2h; without it until `remedy resume`.")
@click.option("--remediation", default="", help="Only this one; without it everything.")
@AS_JSON
@CONFIG
def command(reason: str | None, duration: str | None, remediation: str, file: Path, *, as_json: bool) -> None:
    """Hold fixes: nothing is lost, and what still fires is decided again when the pause ends.

    Without REASON it shows what is paused. Where no bridge is at work, its ledger is told: the next call of
    `remedy run --once` holds.

    Example: remedy pause "database migration" --for 2h
    """
    client = BridgeClient(file)
    if reason is None:
        if duration or remediation:
            raise click.UsageError("a pause needs a reason, for whoever wonders at night")
        found = client.reach("GET", "/api/v1/pause")
        lines = [_spell(pause) for pause in found["pauses"]] or ["nothing is paused"]
        click.echo(json.dumps(found, indent=2, ensure_ascii=False) if as_json else "\n".join(lines))
        return
    wanted = {"reason": reason, "remediation": remediation}
    said = client.reach("PUT", "/api/v1/pause", wanted | ({"duration": duration} if duration else {}))
    spelled = f"paused {remediation or 'everything'}{f' for {duration}' if duration else ''}: {plain(reason)}"
    click.echo(json.dumps(said, indent=2, ensure_ascii=False) if as_json else spelled)


def _spell(pause: dict[str, Any]) -> str:
    until = f"until {pause['until']}" if pause["until"] else "until `remedy resume`" if pause["at"] else "by a file"
    return plain(f"{pause['remediation'] or 'everything'} is paused {until}: {pause['reason']}")
