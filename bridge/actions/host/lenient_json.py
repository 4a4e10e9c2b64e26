"""Repair JSON where that needs no guessing: a byte order mark, trailing commas, a cut end, documents in a row."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")
_CUT_SCALAR = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\.)*\\?|-?[0-9]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?'
)
_DEEPEST = 200


class NotRepairableError(ValueError):
    """What is wrong cannot be put right without guessing; the message says where."""


class _CutError(Exception):
    """The text ends in the middle; `partial` holds the whole elements of an open array or object, else None."""

    def __init__(self, partial: Any = None) -> None:
        super().__init__()
        self.partial = partial


@dataclass(frozen=True)
class Repaired:
    """The document, and in words what was wrong with the text."""

    document: Any
    changes: tuple[str, ...]


def strict(text: str) -> Any:
    """Read JSON as the standard has it.

    Raises:
        ValueError: it is none.
    """
    try:
        return json.loads(text, parse_constant=_refuse)
    except RecursionError:
        raise ValueError("nested too deep") from None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def repair(text: str) -> Repaired:
    """Repair a text.

    One that was cut ends after its last whole element; in an array, an object that was cut is left out. Of several
    whole documents the last one stays: it was written last. What follows a whole document and is none itself is left
    out: a shorter text was written over a longer one.

    Raises:
        NotRepairableError: it cannot be done without guessing.
    """
    reader = _Reader(text.removeprefix("\ufeff"))
    if text.startswith("\ufeff"):
        reader.changes.append("it began with a byte order mark")
    try:
        document = reader.value()
    except _CutError as cut:
        if not cut.partial:
            raise NotRepairableError("nothing whole is left of it") from None
        return Repaired(cut.partial, (*reader.changes, "its end was missing"))
    count = 1
    while not reader.at_end():
        try:
            document = reader.value()
            count += 1
        except (_CutError, NotRepairableError):
            reader.changes.append("remains of another text stood behind it")
            break
    if count > 1:
        reader.changes.append(f"{count} documents stood in a row, of which the last was kept")
    return Repaired(document, tuple(dict.fromkeys(reader.changes)))


@dataclass
class _Reader:
    """Reads from a position on; what it forgave stands in `changes`."""

    text: str
    position: int = 0
    changes: list[str] = field(default_factory=list)

    def at_end(self) -> bool:
        self._skip_space()
        return self.position == len(self.text)

    def value(self, depth: int = 0) -> Any:
        if depth > _DEEPEST:
            raise NotRepairableError(f"it is nested more than {_DEEPEST} deep")
        match self._peek():
            case "[":
                return self._array(depth)
            case "{":
                return self._object(depth)
            case _:
                return self._scalar()

    def _peek(self) -> str:
        if self.at_end():
            raise _CutError
        return self.text[self.position]

    def _skip_space(self) -> None:
        space = _SPACE.match(self.text, self.position)
        self.position = space.end() if space else self.position

    def _take(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self.position += 1
        return True

    def _scalar(self) -> Any:
        for form in (_STRING, _NUMBER, _WORD):
            found = form.match(self.text, self.position)
            if found is None:
                continue
            if form is _NUMBER and found.end() == len(self.text) and self.position:
                raise _CutError  # more digits may have stood there
            self.position = found.end()
            return json.loads(found[0])
        if _CUT_SCALAR.fullmatch(self.text, self.position):
            raise _CutError
        line = self.text.count("\n", 0, self.position) + 1
        raise NotRepairableError(f"line {line}: {self.text[self.position : self.position + 20]!r} is no JSON")

    def _array(self, depth: int) -> list[Any]:
        self.position += 1
        found: list[Any] = []
        try:
            while not self._take("]"):
                found.append(self._element(depth))
                self._separator("]")
        except _CutError as cut:
            raise _CutError(found + cut.partial if isinstance(cut.partial, _Kept) else found) from None
        return found

    def _element(self, depth: int) -> Any:
        try:
            return self.value(depth + 1)
        except _CutError as cut:
            kept = [cut.partial] if isinstance(cut.partial, list) and cut.partial else []
            raise _CutError(_Kept(kept)) from None

    def _object(self, depth: int) -> dict[str, Any]:
        self.position += 1
        found: dict[str, Any] = {}
        try:
            while not self._take("}"):
                key = self._scalar()
                if not isinstance(key, str) or not self._take(":"):
                    raise NotRepairableError(f"{str(key)[:20]!r} stands where a key and a colon should be")
                self._member(found, key, depth)
                self._separator("}")
        except _CutError:
            raise _CutError(found) from None
        return found

    def _member(self, found: dict[str, Any], key: str, depth: int) -> None:
        try:
            found[key] = self.value(depth + 1)
        except _CutError as cut:
            if cut.partial:
                found[key] = cut.partial
            raise

    def _separator(self, closing: str) -> None:
        if not self._take(","):
            if self._peek() != closing:
                raise NotRepairableError(
                    f"a comma or '{closing}' is missing before {self.text[self.position :][:20]!r}"
                )
        elif self._peek() == closing:
            self.changes.append("a comma stood before a closing bracket")


class _Kept(list[Any]):
    """What is left of an array's last element: itself in a list, or nothing."""
