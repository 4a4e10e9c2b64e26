"""`remedy checks`: the kinds of health checks."""

import inspect
import json
from datetime import timedelta

import click
from pydantic.fields import FieldInfo

from exporters import checks
from exporters.checks.base import Check
from remedy.config import kinds
from remedy.config.durations import format_duration
from remedy.reference.fields import about_fields, schema_of


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON Schemas.")
def command(name: str | None, as_json: bool) -> None:
    """List the kinds of health checks, or show all of one.

    Example: remedy checks http
    """
    try:
        found = {
            kind: kinds.load(checks, kind, Check, "kind of check") for kind in ([name] if name else kinds.names(checks))
        }
    except ValueError as unknown:
        raise click.BadParameter(str(unknown)) from None
    if as_json:
        click.echo(json.dumps({kind: schema_of(model) for kind, model in found.items()}))
    elif name:
        click.echo(f"{inspect.getdoc(found[name])}\n")
        about = about_fields(found[name])
        for key, field in found[name].model_fields.items():
            click.echo(f"{key}{_default(field)}: {about[key]}".rstrip(": "))
    else:
        for kind, model in found.items():
            click.echo(f"{kind:16}{(inspect.getdoc(model) or '').splitlines()[0]}")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return ""
    value = field.get_default(call_default_factory=True)
    return f" (default: {format_duration(value) if isinstance(value, timedelta) else value})"
