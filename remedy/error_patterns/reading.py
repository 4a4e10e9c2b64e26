"""The file's keys, read in whatever spelling they come; whatever is not used is noted, never passed over in silence.

A note is a `Problem`: file, line, key path, and a sentence. Notes refuse nothing.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from remedy.config.problems import ConfigError, KeyPath, Problem, did_you_mean, unreadable
from remedy.config.yamlfile import Document, read_yaml

Value = TypeVar("Value")


class Notes:
    """What a person should know of the file, in the order in which it was found; each once."""

    def __init__(self) -> None:
        self._found: dict[Problem, None] = {}

    def add(self, note: Problem) -> None:
        """Take a note."""
        self._found[note] = None

    def __iter__(self) -> Iterator[Problem]:
        return iter(self._found)


class Keys:
    """The keys of one place in the file. The first of several spellings that stands there is read."""

    def __init__(self, document: Document, path: KeyPath, data: dict[str, Any], notes: Notes) -> None:
        self._document, self.path, self._data, self._notes = document, path, data, notes
        self._known: set[str] = set()

    def has(self, *names: str) -> bool:
        """Tell whether one of these keys stands there."""
        return self._spelling(names) is not None

    def get(self, read: Callable[[Any], Value], *names: str, default: Value) -> Value:
        """Return the value of the first of these keys; one that cannot be read is noted, and the default taken."""
        name = self._spelling(names)
        if name is None:
            return default
        try:
            return read(self._data[name])
        except ValueError as wrong:
            self.note(f"{wrong}; taken is {default!r}", name)
            return default

    def inner(self, *names: str, plain: str = "") -> list["Keys"]:
        """Return the entries of a list; a mapping holds them by their `plain` key, which a text alone stands for."""
        name = self._spelling(names)
        if name is None:
            return []
        value = self._data[name]
        if isinstance(value, dict) and plain and not value.keys() & {plain, "type", "pattern"}:
            named = [((name, key), {plain: key, **entry}) for key, entry in value.items() if isinstance(entry, dict)]
            return [Keys(self._document, (*self.path, *at), entry, self._notes) for at, entry in named]
        found = []
        for index, entry in enumerate(value if isinstance(value, list) else [value]):
            at = (*self.path, name, index) if isinstance(value, list) else (*self.path, name)
            if isinstance(entry, str) and plain:
                found.append(Keys(self._document, at, {plain: entry}, self._notes))
            elif isinstance(entry, dict):
                found.append(Keys(self._document, at, entry, self._notes))
            else:
                self._notes.add(self._document.problem(at, f"expected keys and values, got {entry!r}: it is not used"))
        return found

    def section(self, *names: str) -> "Keys":
        """Return the keys below a key; none where it does not stand there."""
        name = self._spelling(names)
        value = {} if name is None else self._data[name]
        if not isinstance(value, dict):
            self.note("expected keys and values: it is not used", name)
            value = {}
        return Keys(self._document, (*self.path, name) if name else self.path, value, self._notes)

    def note(self, message: str, name: str | None = None) -> None:
        """Take a note of this place, or of one of its keys."""
        at = self.path if name is None else (*self.path, name)
        self._notes.add(self._document.problem(at, message))

    @property
    def line(self) -> int | None:
        """The line where this place stands."""
        return self._document.problem(self.path, "").line

    def unused(self) -> None:
        """Note the keys that nobody has asked for."""
        for name in self._data:
            if name not in self._known and not name.startswith(("_", "$", "//", "comment")):
                self.note(f"the key is not known, and not used{did_you_mean(name, self._known)}", name)

    def _spelling(self, names: tuple[str, ...]) -> str | None:
        self._known.update(names)
        return next((name for name in names if name in self._data), None)


def read_file(file: Path, notes: Notes) -> Keys:
    """Read the file.

    Raises:
        ConfigError: it cannot be read, is no JSON, or holds no keys.
    """
    try:
        document = read_yaml(file)
    except ConfigError as wrong:
        document = _as_json(file, wrong)
        for problem in wrong.problems:
            notes.add(problem)
    if not isinstance(document.data, dict):
        raise ConfigError([document.problem((), "holds no keys such as error_patterns and health_checks")])
    return Keys(document, (), document.data, notes)


def _as_json(file: Path, wrong: ConfigError) -> Document:
    """Read what only JSON's own reader takes, such as a key that stands twice: there the last one holds."""
    try:
        return Document(str(file), json.loads(file.read_text(encoding="utf-8-sig")))
    except OSError as error:
        raise unreadable(file, error) from None
    except (ValueError, RecursionError):
        raise wrong from None
