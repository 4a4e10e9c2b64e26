"""`remedy restore`: puts back what a run changed, in a run of its own."""

import json
import sys
import time
from pathlib import Path
from typing import Any

import click

from bridge.actions.host.shown import shown
from remedy.control.client import BridgeClient
from remedy.control.options import AS_JSON, CONFIG

_LOOK_SECONDS = 0.2
_ENDED = "ended"
_SUCCEEDED = "succeeded"


@click.command()
@click.argument("run", type=click.IntRange(min=1))
@click.option("--list", "only_list", is_flag=True, help="Only say what was kept.")
@click.option("--reason", default="", help="Why, for the record.")
@AS_JSON
@CONFIG
def command(run: int, reason: str, file: Path, *, only_list: bool, as_json: bool) -> None:
    """Put back what a run copied before it changed it, and wait until that is done.

    It goes through the running bridge, as a run of its own: one at a time for each host, on record, and itself undone
    by `remedy restore` of that run. Exit 1: not everything could be put back.

    Example: remedy restore 17
    """
    client = BridgeClient(file)
    found = client.ask("GET", f"/api/v1/runs/{run}")
    if only_list:
        lines = [f"{shown(entry['path'])}: {entry['kind']}, {entry['size']} bytes" for entry in found["backups"]]
        click.echo(json.dumps(found["backups"], indent=2) if as_json else "\n".join(lines or ["nothing was kept"]))
        return
    if not found["backups"]:
        why = found.get("backups_unreadable") or "it changed nothing that is copied, or it is no longer kept"
        raise click.ClickException(f"nothing was kept of run {run}: {why}")
    host = found["host"]
    body = {"target": host, "labels": {"host": host, "run": str(run)}, "reason": reason}
    said = client.ask("POST", "/api/v1/remediations/restore/run", body)
    if said["run_id"] is None:
        raise click.ClickException(f"{said['decision']}: {said['reason']}")
    ended = _wait(client, said["run_id"])
    click.echo(json.dumps(ended, indent=2, ensure_ascii=False) if as_json else _spell(ended))
    sys.exit(0 if all(step["outcome"] == _SUCCEEDED for step in ended["steps"]) and ended["steps"] else 1)


def _wait(client: BridgeClient, run_id: int) -> Any:
    while (run := client.ask("GET", f"/api/v1/runs/{run_id}"))["state"] != _ENDED:
        time.sleep(_LOOK_SECONDS)
    return run


def _spell(run: dict[str, Any]) -> str:
    steps = [line for step in run["steps"] for line in ((step["output"] or "").rstrip(), step["reason"])]
    return "\n".join([*filter(None, steps), f"run {run['id']}: {run['outcome']}"])
