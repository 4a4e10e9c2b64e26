"""`remedy backup`: copies the ledger while the bridge works."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from remedy.control.options import AS_JSON, CONFIG


@click.command()
@click.argument("to", type=click.Path(path_type=Path), metavar="FILE")
@click.option("--force", is_flag=True, help="Replace a backup that has this name already.")
@AS_JSON
@CONFIG
def command(to: Path, file: Path, *, force: bool, as_json: bool) -> None:
    """Copy the ledger while the bridge works on it, check the copy, and give it its name in one step.

    The bridge need not run, and is not asked. The copy is readable by its owner alone. To restore it: stop the bridge,
    move ledger.db, ledger.db-wal and ledger.db-shm aside, put the copy in the place of ledger.db, start the bridge.

    Example: remedy backup /var/backups/remedy/ledger-$(date +%F).db
    """
    from bridge.ledger.backup import BackupError, back_up  # noqa: PLC0415 - only what works needs its libraries
    from bridge.policy.loading import load_policy  # noqa: PLC0415

    try:
        made = back_up(load_policy(file, insecure=True).ledger_file, to, replace=force)
    except BackupError as error:
        raise click.ClickException(str(error)) from None
    if as_json:
        click.echo(json.dumps({**asdict(made), "file": str(made.file)}))
    else:
        click.echo(f"{made.file}: {made.bytes} bytes, {made.episodes} episodes, {made.runs} runs, checked")
