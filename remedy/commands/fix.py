"""`remedy fix`: runs one remediation by hand."""

import json
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG
from remedy.control.story import story

_LOOK_SECONDS = 0.2
_GOOD = ("fixed", "unverified", "dry_run")
_ENDED = "ended"


def _labels(_context: click.Context, _option: click.Parameter, given: tuple[str, ...]) -> dict[str, str]:
    pairs = [text.partition("=") for text in given]
    for name, equals, _value in pairs:
        if not name or not equals:
            raise click.BadParameter(f"{name!r} is not NAME=VALUE")
    return {name: value for name, _, value in pairs}


@click.command()
@click.argument("remediation")
@click.option("--target", required=True, help="On what: a host, or HOST/CHECK as `remedy history` shows it.")
@click.option("--label", "labels", multiple=True, callback=_labels, help="NAME=VALUE, for steps that want it.")
@click.option("--reason", default="", help="Why, for the record.")
@click.option("--wait", is_flag=True, help="Wait for the end and tell its story; exit 1 if it did not go well.")
@AS_JSON
@CONFIG
def command(
    remediation: str, target: str, labels: dict[str, str], reason: str, file: Path, *, wait: bool, as_json: bool
) -> None:
    """Run one remediation by hand, now, through the gates that an alert's fix passes.

    Held or off, it is refused with the reason; whoever asks has approved it; in dry_run it only says what it would do.
    No alert is there: nobody is asked whether it fires or is silenced, and what only a clearing alert proves stays
    `unverified`.

    Example: remedy fix restart-api --target web-1/http_endpoint --reason "hangs since the deploy" --wait
    """
    client = BridgeClient(file)
    body = {"target": target, "labels": labels, "reason": reason}
    said = client.ask("POST", f"/api/v1/remediations/{quote(remediation, safe='')}/run", body)
    run_id = said["run_id"]
    if not wait or run_id is None:
        click.echo(json.dumps(said, indent=2, ensure_ascii=False) if as_json else _spell(said))
        return
    if not as_json:
        click.echo(_spell(said))
    ended = _wait(client, run_id)
    if as_json:
        click.echo(json.dumps(ended, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(story(ended)))
    sys.exit(0 if ended["outcome"] in _GOOD else 1)


def _spell(said: dict[str, Any]) -> str:
    run = "" if said["run_id"] is None else f" (run {said['run_id']})"
    return f"{said['decision']}: {said['reason']}{run}"


def _wait(client: BridgeClient, run_id: int) -> Any:
    while (run := client.ask("GET", f"/api/v1/runs/{run_id}"))["state"] != _ENDED:
        time.sleep(_LOOK_SECONDS)
    return run
