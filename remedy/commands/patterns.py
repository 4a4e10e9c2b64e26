"""`remedy patterns`: the log patterns that ship."""

import json

import click
from rich.console import Console
from rich.table import Table

from exporters.logs.catalogue import read_folder
from remedy.config.problems import did_you_mean


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print all of it as JSON.")
def command(name: str | None, as_json: bool) -> None:
    """List the log patterns that ship, or show all of one.

    Example: remedy patterns disk_full
    """
    shipped = {pattern.id: pattern for pattern in read_folder()}
    if name is not None and name not in shipped:
        raise click.BadParameter(f"unknown log pattern '{name}'{did_you_mean(name, shipped)}")
    shown = [shipped[name]] if name else list(shipped.values())
    if as_json:
        click.echo(json.dumps([pattern.model_dump() for pattern in shown]))
    elif name:
        for key, value in shown[0].model_dump().items():
            text = "".join(f"\n  {line}" for line in value) if isinstance(value, list) else value
            click.echo(f"{key}: {text}")
    else:
        table = Table("pattern", "severity", "by default", "name")
        for pattern in shown:
            table.add_row(pattern.id, pattern.severity, "on" if pattern.builtin else "off", pattern.name)
        Console().print(table)
