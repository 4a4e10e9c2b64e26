"""YAML text → plain data and the line of every key path; bounded, however the text is made.

Plain words are read as YAML 1.2 reads them: `off`, `no`, `12:30` and `0644` are text, not a boolean or a number.
Anchors and merge keys (`<<`) work; a key that stands twice in one place is a problem, as is a tag of someone's own.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import yaml
from yaml.constructor import SafeConstructor

from remedy.config.problems import ConfigError, KeyPath, Problem, spell

_MAX_DEPTH = 50
_MAX_VALUES = 200_000
"""What anchors repeat counts each time ("billion laughs"); a thousand checks are some 10,000 values."""
_TAG = "tag:yaml.org,2002:"
_MERGE = f"{_TAG}merge"
_PLAIN = {
    "null": ("~nN\0", r"~|null|Null|NULL|"),
    "bool": ("tTfF", r"true|True|TRUE|false|False|FALSE"),
    "int": ("-+0123456789", r"[-+]?(?:0|[1-9][0-9]*)|0o[0-7]+|0x[0-9a-fA-F]+"),
    "float": (
        "-+.0123456789",
        r"[-+]?(?:\.[0-9]+|(?:0|[1-9][0-9]*)(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)",
    ),
    "merge": ("<", "<<"),
}
"""What a plain word can be besides text, in the order of trial: its first characters and its form."""


class _RefusedError(Exception):
    """What stands in the text cannot be taken; caught in `parse`."""

    def __init__(self, line: int | None, message: str) -> None:
        super().__init__(message)
        self.line = line


def parse(text: str, file: str) -> tuple[Any, dict[KeyPath, int]]:
    """Return the data and the lines; `file` is the name that problems carry.

    Raises:
        ConfigError: it is no YAML, a key stands twice, or it is nested or repeated beyond measure.
    """
    reading = _Reading(file)
    try:
        node = _compose(_untabbed(text))
        data = None if node is None else reading.value(node, ())
    except _RefusedError as refused:
        raise ConfigError([Problem(file, refused.line, "", str(refused))]) from None
    if reading.twice:
        raise ConfigError(reading.twice)
    return data, reading.lines


def _untabbed(text: str) -> str:
    """Replace the tabs that indent JSON, which YAML does not allow; inside its strings JSON has none."""
    if "\t" not in text:
        return text
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return text
    return text.replace("\t", " ")


def _compose(text: str) -> yaml.Node | None:
    """Build the tree: libyaml for its speed; where it finds fault, the slow parser, for its messages."""
    fast = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        return _tree(fast, text)
    except yaml.YAMLError:
        pass
    try:
        return _tree(yaml.SafeLoader, text)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise _RefusedError(line, f"is not YAML: the character U+{error.character:04X} is not allowed") from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        said = str(error.problem or error.context)
        raise _RefusedError(mark.line + 1 if mark else None, f"is not YAML: {_plainer(said)}") from None


def _plainer(said: str) -> str:
    """Say what people most often get wrong in their words."""
    if "'\\t'" in said:
        return "a tab; it is indented with spaces"
    if "mapping values are not allowed" in said:
        return "a second ': ' in one line; put the value in quotes"
    if "unknown escape character" in said:
        return f"{said}; in single quotes a backslash is itself"
    if "another document" in said:
        return "a second document (---); one file holds one"
    if "<block end>" in said:
        return "this does not fit the lines above: its indentation, or a quote that is missing"
    return said


def _tree(loader_class: Any, text: str) -> yaml.Node | None:
    _measure(loader_class, text)
    loader = loader_class(text)
    loader.yaml_implicit_resolvers = _resolvers()
    try:
        node: yaml.Node | None = loader.get_single_node()
        return node
    finally:
        loader.dispose()


def _measure(loader_class: Any, text: str) -> None:
    """Refuse what is nested too deep before a tree is made of it: libyaml's recursion ends the whole process."""
    depth = 0
    for event in yaml.parse(text, Loader=loader_class):
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
            if depth > _MAX_DEPTH:
                raise _too_deep(_line(event))
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1


def _too_deep(line: int) -> _RefusedError:
    return _RefusedError(line, f"is nested more than {_MAX_DEPTH} deep")


def _resolvers() -> dict[str, list[tuple[str, re.Pattern[str]]]]:
    found: dict[str, list[tuple[str, re.Pattern[str]]]] = {}
    for name, (firsts, form) in _PLAIN.items():
        for first in firsts:
            key = "" if first == "\0" else first
            found.setdefault(key, []).append((_TAG + name, re.compile(f"(?:{form})$")))
    return found


@dataclass
class _Reading:
    """Goes through the tree once, along its anchors, and counts."""

    file: str
    lines: dict[KeyPath, int] = field(default_factory=dict)
    twice: list[Problem] = field(default_factory=list)
    _values: int = 0
    _looked_at: set[int] = field(default_factory=set)
    _scalars: SafeConstructor = field(default_factory=SafeConstructor)

    def value(self, node: yaml.Node, path: KeyPath) -> Any:
        self._count(node, len(path))
        self.lines.setdefault(path, _line(node))
        if isinstance(node, yaml.SequenceNode):
            self._known_tag(node, "seq")
            return [self.value(item, (*path, i)) for i, item in enumerate(node.value)]
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        self._known_tag(node, "str", "int", "float", "bool", "null")
        return self._scalar(node)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        self._known_tag(node, "map")
        self._find_twice(node, path)
        chosen = dict(self._pairs(node, len(path)))
        result = {}
        for key, (key_node, value_node) in chosen.items():
            self.lines[*path, key] = _line(key_node)
            result[key] = self.value(value_node, (*path, key))
        return result

    def _pairs(self, node: yaml.MappingNode, depth: int) -> Iterator[tuple[str, tuple[yaml.Node, yaml.Node]]]:
        """Yield keys and values, of which the last holds: the merged, the first of them last, then the node's own."""
        self._count(node, depth)
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE:
                merged = value_node.value if isinstance(value_node, yaml.SequenceNode) else [value_node]
                for source in reversed(merged):
                    if not isinstance(source, yaml.MappingNode):
                        raise _RefusedError(_line(key_node), "'<<' merges keys and values, such as those of an anchor")
                    yield from self._pairs(source, depth + 1)
        for key_node, value_node in node.value:
            if key_node.tag != _MERGE:
                self._count(key_node, depth)
                yield self._key(key_node), (key_node, value_node)

    def _find_twice(self, node: yaml.MappingNode, path: KeyPath) -> None:
        if id(node) in self._looked_at:
            return
        self._looked_at.add(id(node))
        seen: set[str] = set()
        for key_node, _value in node.value:
            key = self._key(key_node)
            if key in seen:
                self.twice.append(
                    Problem(self.file, _line(key_node), spell(path), f"the key '{key}' stands here twice")
                )
            seen.add(key)

    def _key(self, node: yaml.Node) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == f"{_TAG}null":
            raise _RefusedError(_line(node), "a key is a plain word or text")
        return _whole(node.value)

    def _scalar(self, node: yaml.Node) -> Any:
        try:
            value = self._scalars.construct_object(node)
        except (ValueError, KeyError):
            raise _RefusedError(_line(node), f"'{node.value[:40]}' is no {node.tag.removeprefix(_TAG)}") from None
        return _whole(value) if isinstance(value, str) else value

    def _known_tag(self, node: yaml.Node, *known: str) -> None:
        if node.tag.removeprefix(_TAG) not in known:
            raise _RefusedError(_line(node), f"the tag '{node.tag.removeprefix(_TAG)}' is not known here")

    def _count(self, node: yaml.Node, depth: int) -> None:
        self._values += 1
        if self._values > _MAX_VALUES:
            raise _RefusedError(None, f"holds more than {_MAX_VALUES} values (do anchors repeat each other?)")
        if depth > _MAX_DEPTH:
            raise _too_deep(_line(node))


def _line(of: yaml.Node | yaml.Event) -> int:
    return of.start_mark.line + 1 if of.start_mark else 1


def _whole(text: str) -> str:
    """Join the surrogate pairs in which JSON escapes what is beyond 16 bits; half a pair becomes U+FFFD."""
    if not any("\ud800" <= char <= "\udfff" for char in text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
