"""Pages of Markdown: one for each package of kinds, for the two files' keys, for the commands, for the patterns."""

import inspect
import re
from collections.abc import Container, Iterable, Iterator
from copy import copy
from pathlib import Path
from types import ModuleType

import click
from pydantic import BaseModel

from remedy.config import kinds
from remedy.config.extras import MissingExtra
from remedy.config.yamlfile import read_yaml
from remedy.reference.fields import keys_of, models_below

_STEP = re.compile(r"- (\{\w+|\w+:)")
"""An example that is all that follows: docstrings lose the indentation that all of their lines share."""
_MADE = "<!-- Made by `python -m remedy.reference docs`; change the code instead. -->"


def of_kinds(title: str, package: ModuleType, base: type[BaseModel], intro: str) -> str:
    """Return a page with every kind of a package: its docstring, and its keys without those that all of them have."""
    shared = set(base.model_fields) - {"name", "kind"}
    parts = [_heading(title, intro)]
    for name in kinds.names(package):
        try:
            kind = kinds.load(package, name, base, "kind")
        except MissingExtra as missing:
            raise click.ClickException(f"the reference needs every extra; {name} {missing}") from None
        own = [row for row in _rows(kind) if not any(row.startswith(f"| `{key}` ") for key in base.model_fields)]
        parts.append(f"## {name}\n\n{_prose(kind)}\n{_table(own)}")
    if shared:
        common = [row for row in _rows(base) if any(row.startswith(f"| `{key}` ") for key in base.model_fields)]
        parts.append(f"## Keys of all of them\n{_table(common)}")
    return "\n".join(parts)


def of_file(title: str, model: type[BaseModel], intro: str) -> str:
    """Return a page with the keys of a file, section by section."""
    parts = [_heading(title, intro), _table(_rows(model))]
    below = dict(models_below(model))
    defaults = set(below["defaults"].model_fields) if "defaults" in below else set()
    seen: set[type[BaseModel]] = set()
    for path, section in below.items():
        if section not in seen:
            parts.append(f"## {path}\n\n{_prose(section)}\n{_table(_rows(section, defaults))}")
            seen.add(section)
    return "\n".join(parts)


def of_commands(group: click.Group) -> str:
    """Return a page with the help of every command, as it is shown."""
    parts = [_heading("Commands", "What `remedy NAME --help` says.")]
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        if command is not None:
            above = click.Context(group, info_name="remedy", **group.context_settings)  # as the command line has it
            shown = _with_help_option(command, above.help_option_names)
            context = click.Context(shown, above, info_name=name, terminal_width=100, max_content_width=100)
            parts.append(f"## remedy {name}\n\n```text\n{shown.get_help(context)}\n```\n")
    return "\n".join(parts)


def _with_help_option(command: click.Command, names: Iterable[str]) -> click.Command:
    """Return a copy whose help option has these names: click keeps the one with which a command was run first."""
    shown = copy(command)
    shown.params, shown.add_help_option = list(command.params), False
    return click.help_option(*names)(shown)


def of_patterns(folder: Path, intro: str) -> str:
    """Return a page with the log patterns of a folder."""
    rows = ["| id | severity | regex |", "|---|---|---|"]
    for file in sorted(folder.glob("*.yml")):
        data = read_yaml(file).data
        for pattern in data if isinstance(data, list) else [data]:
            regex = str(pattern["regex"]).replace("|", "\\|")
            rows.append(f"| `{pattern['id']}` | {pattern['severity']} | `{regex}` |")
    return "\n".join([_heading("Log patterns", intro), *rows, ""])


def _heading(title: str, intro: str) -> str:
    return f"{_MADE}\n# {title}\n\n{inspect.cleandoc(intro)}\n"


def _prose(kind: type) -> str:
    """Return a docstring as Markdown: its indented parts are examples."""
    lines: list[str] = []
    inside = False
    for line in inspect.cleandoc(kind.__doc__ or "").splitlines():
        example = line.startswith("    ") or bool(_STEP.match(line)) or (inside and not line.strip())
        if example != inside:
            lines += ["```yaml"] if example else ["```", ""]
            inside = example
        lines.append(line.removeprefix("    ") if example else line)
    text = "\n".join([*lines, *(["```"] if inside else [])])
    return text.replace("\n```yaml", "\n\n```yaml").replace("\n\n\n", "\n\n").replace("\n\n```\n", "\n```\n") + "\n"


def _rows(model: type[BaseModel], defaults: Container[str] = ()) -> Iterator[str]:
    for key in keys_of(model):
        about = key.about or ("As in `defaults`." if key.name in defaults else "")
        default = "required" if key.required else f"`{key.default}`" if key.default else ""
        cells = (f"`{key.name}`", key.kind, default, about)
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"


def _table(rows: Iterable[str]) -> str:
    written = list(rows)
    return "\n".join(["| key | what it takes | default | |", "|---|---|---|---|", *written, ""]) if written else ""
