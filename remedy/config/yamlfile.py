"""YAML (and so JSON) with the line of every key, so that each problem can say where it is."""

from collections.abc import Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from remedy.config.problems import ConfigError, KeyPath, Problem, describe, keys_of, spell, unreadable

_MAX_DEPTH = 50
Model = TypeVar("Model", bound=BaseModel)


@dataclass
class Document:
    """A file's data (plain dicts, lists and scalars) and the line where each key path stands."""

    file: str
    data: Any
    lines: dict[KeyPath, int] = field(default_factory=dict)

    def problem(self, path: KeyPath, message: str) -> Problem:
        """Say what is wrong at a key path; the line is that of the nearest key that is in the file."""
        nearest = path
        while nearest and nearest not in self.lines:
            nearest = nearest[:-1]
        return Problem(self.file, self.lines.get(nearest), spell(path), message)

    def validate(self, model: type[Model], path: KeyPath = (), *, data: Any = None) -> Model:
        """Validate what stands at `path` (or `data` in its place) against a model.

        Raises:
            ConfigError: everything that is wrong with it.
        """
        try:
            return model.model_validate(self.data if data is None else data)
        except ValidationError as invalid:
            raise ConfigError(self.problems(invalid, model, path)) from None

    def problems(self, invalid: ValidationError, model: type[BaseModel], path: KeyPath = ()) -> list[Problem]:
        """Translate pydantic's errors; an unknown key is shown at its parent's path with a suggestion."""
        found = []
        for error in invalid.errors():
            loc = keys_of(error["loc"])
            at = path + loc
            message = describe(error, known_keys(model, loc[:-1]))
            if error["type"] in ("extra_forbidden", "missing"):
                line = self.problem(at, "").line
                found.append(Problem(self.file, line, spell(at[:-1]), message))
            else:
                found.append(self.problem(at, message))
        return found


def known_keys(model: type[BaseModel], path: KeyPath) -> list[str]:
    """Name the keys that a model takes at a path inside it."""
    kinds: list[type[BaseModel]] = [model]
    for key in path:
        if isinstance(key, int):
            continue
        kinds = [
            inner
            for kind in kinds
            for name, info in kind.model_fields.items()
            if key in (name, info.alias)
            for inner in _models_in(info.annotation)
        ] or kinds
    return sorted({info.alias or name for kind in kinds for name, info in kind.model_fields.items()})


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for inner in getattr(annotation, "__args__", ()) for model in _models_in(inner)]


def read_yaml(file: Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        ConfigError: it cannot be read, is no YAML, or holds a key twice.
    """
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise unreadable(file, error) from None
    except UnicodeDecodeError as error:
        raise ConfigError([Problem(str(file), None, "", f"is not UTF-8 (byte {error.start})")]) from None
    return parse_yaml(text, str(file))


def parse_yaml(text: str, file: str) -> Document:
    """Parse YAML text; `file` is the name that problems carry."""
    document = Document(file, None)
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        found: list[Problem] = []
        document.data = None if node is None else _construct(node, (), document, found)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = mark.line + 1 if mark else None
        raise ConfigError([Problem(file, line, "", f"is not YAML: {error.problem or error.context}")]) from None
    except yaml.YAMLError as error:
        raise ConfigError([Problem(file, None, "", f"is not YAML: {error}")]) from None
    if found:
        raise ConfigError(found)
    return document


def _construct(node: yaml.Node, path: KeyPath, document: Document, found: list[Problem]) -> Any:
    document.lines.setdefault(path, node.start_mark.line + 1)
    if len(path) > _MAX_DEPTH:
        raise yaml.YAMLError(f"nested more than {_MAX_DEPTH} deep")
    if isinstance(node, yaml.SequenceNode):
        return [_construct(item, (*path, i), document, found) for i, item in enumerate(node.value)]
    if not isinstance(node, yaml.MappingNode):
        return _scalar(node)
    loader = yaml.SafeLoader("")
    loader.flatten_mapping(node)
    result: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        key = _scalar(key_node) if isinstance(key_node, yaml.ScalarNode) else str(key_node.value)
        at = (*path, str(key))
        line = key_node.start_mark.line + 1
        if key in result and key_node.tag != "tag:yaml.org,2002:merge":
            found.append(Problem(document.file, line, spell(path), f"the key '{key}' stands here twice"))
        document.lines[at] = line
        result[key] = _construct(value_node, at, document, found)
    return result


def _scalar(node: yaml.Node) -> Any:
    loader = yaml.SafeLoader("")
    value = loader.construct_object(node, deep=True)
    loader.dispose()
    return value
