"""Data as YAML that this project reads back as the same data: whatever is not a plain word stands in quotes."""

import re
from typing import Any

import yaml

_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9_./@-]*")
_WORDS = frozenset({"true", "false", "null", "yes", "no", "on", "off", "y", "n"})
_INLINE = 100
"""Characters up to which keys and values stand in one line."""


class _Dumper(yaml.SafeDumper):
    """Writes text in quotes unless nobody could take it for anything else."""

    def ignore_aliases(self, data: Any) -> bool:
        """Write everything out."""
        del data
        return True


def _text(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    plain = _PLAIN.fullmatch(text) and text.lower() not in _WORDS
    style = None if plain else "'" if text.isprintable() and "'" not in text else '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _text)


def inline(data: Any) -> str:
    """Write data in one line."""
    return _dump(data, flow=True)


def block(data: Any, indent: int) -> str:
    """Write keys and values or a list in lines of their own; what is short below it stays in one line."""
    margin = " " * indent
    if isinstance(data, dict):
        lines = [_entry(f"{inline(key)}:", value, indent) for key, value in data.items()]
    else:
        lines = [_item(value, indent) for value in data]
    return "".join(margin + line + "\n" for line in lines)


def _entry(key: str, value: Any, indent: int) -> str:
    text = inline(value)
    if len(text) + len(key) + indent <= _INLINE or not isinstance(value, dict | list) or not value:
        return f"{key} {text}"
    return f"{key}\n{block(value, indent + 2)}".rstrip("\n")


def _item(value: Any, indent: int) -> str:
    text = inline(value)
    if len(text) + indent <= _INLINE or not isinstance(value, dict | list) or not value:
        return f"- {text}"
    return f"- {block(value, indent + 2).lstrip()}".rstrip("\n")


def _dump(data: Any, *, flow: bool) -> str:
    text = yaml.dump(data, Dumper=_Dumper, default_flow_style=flow, width=2**31, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")
