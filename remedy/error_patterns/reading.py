"""The file's keys, read in whatever spelling they come; whatever is not used is noted, never passed over in silence.

A note is a `Problem`: file, line, key path, and a sentence. Notes refuse nothing.
"""

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from remedy.config.problems import ConfigError, KeyPath, Problem, did_you_mean
from remedy.config.yamlfile import Document, parse_yaml, read_yaml
from remedy.error_patterns.comments import without_comments

Value = TypeVar("Value")
_LARGEST = 16 * 1024 * 1024
"""Bytes, as for any configuration."""
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


def plain(word: str) -> str:
    """Write a word as the daemons did: `Log-Rotate`, `logRotate` and `log rotate` are all `log_rotate`."""
    return re.sub(r"[\s-]+", "_", _HUMP.sub("_", word.strip())).lower()


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
    """The keys of one place in the file, in whichever case; the first of several names that stands there is read.

    A key that is `null` is as good as none.
    """

    def __init__(self, document: Document, path: KeyPath, data: dict[str, Any], notes: Notes) -> None:
        self._document, self.path, self._data, self._notes = document, path, data, notes
        self._spelt = {plain(name): name for name in reversed(data)} | {name: name for name in data}
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
            return list(self._named(name, value, plain))
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

    def _named(self, name: str, value: dict[str, Any], plain: str) -> Iterator["Keys"]:
        for key, entry in value.items():
            at = (*self.path, name, key)
            if isinstance(entry, dict):
                yield Keys(self._document, at, {plain: key, **entry}, self._notes)
            elif isinstance(entry, str):
                yield Keys(self._document, at, {plain: entry}, self._notes)
            else:
                self._notes.add(self._document.problem(at, f"expected keys and values, got {entry!r}: it is not used"))

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
        asked = {self._spelt.get(name) for name in self._known}
        for name in self._data:
            if name not in asked and not name.startswith(("_", "$", "//", "comment")):
                self.note(f"the key is not known, and not used{did_you_mean(name, self._known)}", name)

    def _spelling(self, names: tuple[str, ...]) -> str | None:
        self._known.update(names)
        spelt = (self._spelt[name] for name in names if name in self._spelt)
        return next((name for name in spelt if self._data[name] is not None), None)


def read_file(file: Path, notes: Notes) -> Keys:
    """Read the file.

    Raises:
        ConfigError: it cannot be read, is no JSON, or holds no keys.
    """
    try:
        document = _read(file)
    except ConfigError as wrong:
        document = _as_json(file, wrong)
        for problem in wrong.problems:
            notes.add(problem)
    if not isinstance(document.data, dict):
        raise ConfigError([document.problem((), "holds no keys such as error_patterns and health_checks")])
    return Keys(document, (), document.data, notes)


def _read(file: Path) -> Document:
    """Read YAML, of which JSON is a part, without the comments that belong to neither."""
    text = _text(file)
    bare = "" if text is None else without_comments(text)
    return read_yaml(file) if bare == (text or "") else parse_yaml(bare, str(file))


def _as_json(file: Path, wrong: ConfigError) -> Document:
    """Read what only JSON's own reader takes, such as a key that stands twice: there the last one holds."""
    try:
        return Document(str(file), json.loads(without_comments(_text(file) or "")))
    except (ValueError, RecursionError):
        raise wrong from None


def _text(file: Path) -> str | None:
    """Return what stands in a file; None where that is no text, or too much: reading it as YAML says so."""
    try:
        if not file.is_file() or file.stat().st_size > _LARGEST:
            return None
        return file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError):
        return None
