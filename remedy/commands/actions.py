"""`remedy actions`: the reference of actions, made from their docstrings and fields."""

import inspect
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, get_args

import click
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from bridge import actions
from bridge.actions.base import Action
from remedy.config import kinds
from remedy.config.durations import format_duration
from remedy.config.extras import MissingExtra
from remedy.reference.fields import about_fields, schema_of


class _WrongUse(click.ClickException):
    exit_code = 2


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Machine output: the JSON Schema of the fields.")
def command(name: str | None, as_json: bool) -> None:
    """List the actions that steps can use, or show the page of one.

    Example: remedy actions service_restart
    """
    if name is None:
        listed = {known: _summary(known) for known in kinds.names(actions)}
        width = max(map(len, listed))
        lines = (f"{known:<{width}}  {summary}" for known, summary in listed.items())
        click.echo(json.dumps(listed, indent=2) if as_json else "\n".join(lines))
        return
    try:
        kind = kinds.load(actions, name, Action, "action")
    except ValueError as unknown:
        raise _WrongUse(str(unknown)) from None
    click.echo(json.dumps(schema_of(kind), indent=2) if as_json else page(name, kind))


def _summary(name: str) -> str:
    try:
        kind = kinds.load(actions, name, Action, "action")
    except MissingExtra as missing:
        return f"({missing})"
    return inspect.cleandoc(kind.__doc__ or "").partition("\n")[0]


def page(name: str, kind: type[Action]) -> str:
    """Write the page of an action, in Markdown: what its docstring says, and its fields."""
    text, _, example = inspect.cleandoc(kind.__doc__ or "").partition("\nExample:\n")
    parts = [f"# {name}", text.strip(), "## Fields", "\n".join(_fields(kind))]
    if example:
        parts += ["## Example", f"```yaml\n{inspect.cleandoc(example)}\n```"]
    return "\n\n".join(parts)


def _fields(kind: type[BaseModel], prefix: str = "") -> Iterator[str]:
    schema, about = kind.model_json_schema(), about_fields(kind)
    for name, info in kind.model_fields.items():
        key = info.alias or name
        form = ", ".join(filter(None, [_form(schema["properties"][key], schema.get("$defs", {})), _default(info)]))
        yield f"- `{prefix}{key}` ({form}): {about[name]}"
        for inner in models_in(info.annotation):
            yield from _fields(inner, f"{prefix}{key}.")


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or isinstance(value, BaseModel) or value in ((), {}):
        return ""
    several = value if isinstance(value, tuple | frozenset) else (value,)
    return "default " + ", ".join(f"`{_spelled(one)}`" for one in several)


def _spelled(value: object) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    return str(value).lower() if isinstance(value, bool) else str(value)


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """Yield the models that a field's annotation holds."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from models_in(inner)


def _form(spec: dict[str, Any], known: dict[str, Any]) -> str:
    """Say a JSON Schema in few words."""
    if "$ref" in spec:
        return _form(known[spec["$ref"].rpartition("/")[2]], known)
    if "anyOf" in spec:
        forms = dict.fromkeys(_form(inner, known) for inner in spec["anyOf"] if inner.get("type") != "null")
        return " or ".join(forms)
    if "enum" in spec:
        return " | ".join(map(str, spec["enum"]))
    if spec.get("type") == "array":
        return f"list of {_form(spec.get('items', {}), known)}"
    if spec.get("type") == "object":
        return "keys and values"
    words = {"string": "text", "boolean": "true or false", "integer": "number", "path": "path"}
    return words.get(spec.get("format", ""), words.get(spec.get("type", ""), "value"))
