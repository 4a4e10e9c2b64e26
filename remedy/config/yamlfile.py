"""YAML (and so JSON) files with the line of every key, so that each problem can say where it is."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from remedy.config.problems import ConfigError, KeyPath, Problem, describe, spell, unreadable
from remedy.config.yamltext import parse

_MAX_BYTES = 16 * 1024 * 1024
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
        """Translate pydantic's errors; an unknown or missing key is shown at its parent's path."""
        found = []
        for error in invalid.errors(include_url=False):
            loc = error["loc"]
            if error["type"] in ("extra_forbidden", "missing"):
                parent = self._in_file(path, loc[:-1])
                line = self.problem((*parent, loc[-1]), "").line
                message = describe(error, known_keys(model, parent[len(path) :]))
                found.append(Problem(self.file, line, spell(parent), message))
            else:
                found.append(self.problem(self._in_file(path, loc), describe(error)))
        return found

    def _in_file(self, path: KeyPath, loc: KeyPath) -> KeyPath:
        """Extend a path by those parts of pydantic's location that are keys of the file.

        The others are names of pydantic's own: of a union's members, of validating functions.
        """
        for part in loc:
            if (*path, part) in self.lines:
                path = (*path, part)
        return path


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
        with file.open("rb") as source:
            raw = source.read(_MAX_BYTES + 1)
    except OSError as error:
        raise unreadable(file, error) from None
    if len(raw) > _MAX_BYTES:
        raise ConfigError([Problem(str(file), None, "", f"is larger than {_MAX_BYTES // 1024**2} MiB")])
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise ConfigError([Problem(str(file), line, "", f"is not UTF-8 (byte 0x{raw[error.start]:02x})")]) from None
    return parse_yaml(text, str(file))


def parse_yaml(text: str, file: str) -> Document:
    """Parse YAML text; `file` is the name that problems carry.

    Raises:
        ConfigError: it is no YAML, or holds a key twice.
    """
    data, lines = parse(text, file)
    return Document(file, data, lines)
