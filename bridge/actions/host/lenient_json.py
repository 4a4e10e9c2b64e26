"""Repair JSON where that needs no guessing: a byte order mark, trailing commas, a cut end, documents in a row.

It works on the text itself: what is kept stays letter for letter, numbers of any length and keys that stand twice too.
"""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

_SPACE = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")
_WORD = re.compile(r"true|false|null")
_CUT_SCALAR = re.compile(
    r'"(?:[^"\\\x00-\x1f]|\\.)*\\?|-?[0-9]*(?:\.[0-9]*)?(?:[eE][+-]?[0-9]*)?|t(?:ru?)?|f(?:a(?:ls?)?)?|n(?:ul?)?'
)
_CLOSING = {"[": "]", "{": "}"}
_DEEPEST = 200


class NotRepairableError(ValueError):
    """What is wrong cannot be put right without guessing; the message says where."""


class TooDeepError(Exception):
    """It is nested too deep to be judged: nobody may say that it is damaged."""


class _CutError(Exception):
    """The text ends in the middle."""


@dataclass(frozen=True)
class Repaired:
    """The repaired text, and in words what was wrong with it."""

    text: str
    changes: tuple[str, ...]

    @property
    def document(self) -> Any:
        """What it says."""
        return json.loads(self.text)


def check(text: str) -> None:
    """See whether a text is JSON, as the standard has it; numbers may be longer than Python reads.

    Raises:
        ValueError: it is none.
        TooDeepError: it cannot be told.
    """
    try:
        json.loads(text, parse_constant=_refuse, parse_int=str, parse_float=str)
    except RecursionError:
        raise TooDeepError from None


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def repair(text: str) -> Repaired:
    """Repair a text.

    One that was cut ends after its last whole element; in an array, an object that was cut is left out. Of several
    whole documents of one kind the last one stays: it was written last. What follows one whole document is left out
    where it can be the end of a longer text that the document was written over.

    Raises:
        NotRepairableError: it cannot be done without guessing.
    """
    bare = text.removeprefix("\ufeff")
    reader = _Reader(bare.rstrip("\0"))
    changes = ["it began with a byte order mark"] if bare != text else []
    changes += ["zero bytes stood at its end"] if reader.text != bare else []
    first = reader.document()
    if not first:
        raise NotRepairableError("nothing whole is left of it")
    if reader.cut:
        repaired = Repaired(first, (*changes, *dict.fromkeys(reader.changes), "its end was missing"))
    else:
        kept, more = _last(reader, first)
        repaired = Repaired(kept, (*changes, *dict.fromkeys(reader.changes), *more))
    check(repaired.text)
    return repaired


def _last(reader: "_Reader", first: str) -> tuple[str, list[str]]:
    """Look at what follows the first document; return the one that stays, and what is to be said."""
    documents, rest = [first], ""
    while not reader.at_end() and not reader.cut:
        rest = reader.text[reader.position :]
        if rest[0] not in _CLOSING:
            break
        try:
            documents.append(reader.document())
        except NotRepairableError:
            break
        rest = ""
    if reader.cut and documents[1:]:
        documents.pop()  # it was being written
    if rest and not reader.cut and (len(documents) > 1 or not _is_end_of_another(rest)):
        raise NotRepairableError(f"{reader.where()}: what follows may be another document, or none")
    if len({document[0] for document in documents}) > 1:
        raise NotRepairableError("documents of several kinds stand in a row")
    row = [f"{len(documents)} documents stood in a row, of which the last was kept"] if documents[1:] else []
    return documents[-1], row + (["remains of another text stood behind it"] if rest or reader.cut else [])


def _is_end_of_another(rest: str) -> bool:
    """Tell whether a text closes brackets that were opened before it, as the end of a longer one does."""
    closed = sum(map(rest.count, _CLOSING.values())) - sum(map(rest.count, _CLOSING))
    return closed > 0 and rest.rstrip()[-1] in _CLOSING.values()


@dataclass
class _Reader:
    """Reads document after document from a position on; what it forgave stands in `changes`."""

    text: str
    position: int = 0
    changes: list[str] = field(default_factory=list)
    cut: bool = False
    """The document that was read last had no end."""
    _open: list[str] = field(default_factory=list)
    """The brackets around the position."""
    _whole: tuple[int, str] = 0, ""
    """Up to where what has been read is whole, and what closes it there."""
    _commas: list[int] = field(default_factory=list)
    """Commas that are to go."""

    def at_end(self) -> bool:
        self._skip_space()
        return self.position == len(self.text)

    def where(self) -> str:
        return f"line {self.text.count(chr(10), 0, self.position) + 1}"

    def document(self) -> str:
        """Read one; of one that is cut, what is whole.

        Raises:
            NotRepairableError: there is none.
        """
        self._skip_space()
        start = self.position
        self._open, self._whole, self._commas = [], (start, ""), []
        try:
            self._value()
        except _CutError:
            self.cut = True
        else:
            self._whole = self.position, ""
        end, closing = self._whole
        edges = [start - 1, *(comma for comma in self._commas if comma < end), end]
        pieces = (self.text[before + 1 : after] for before, after in pairwise(edges))
        return "".join(pieces) + closing

    def _value(self) -> None:
        if len(self._open) > _DEEPEST:
            raise NotRepairableError(f"it is nested more than {_DEEPEST} deep")
        match self._peek():
            case "[":
                self._inside("]", self._value)
            case "{":
                self._inside("}", self._member)
            case _:
                self._scalar()

    def _inside(self, closing: str, read_one: Callable[[], None]) -> None:
        self._open.append(self.text[self.position])
        self.position += 1
        while not self._take(closing):
            read_one()
            self._mark()
            self._separator(closing)
        self._open.pop()

    def _member(self) -> None:
        begin = self.position
        if self._peek() != '"':
            raise NotRepairableError(f"{self.where()}: {self.text[begin : begin + 20]!r} stands where a key should be")
        self._scalar()
        if not self._take(":"):
            raise NotRepairableError(f"{self.where()}: a colon is missing after {self.text[begin : self.position]!r}")
        self._value()

    def _mark(self) -> None:
        """Note that all is whole up to here, unless an array's object is open: half of one is none of its elements."""
        brackets = "".join(self._open)
        if "[{" not in brackets:
            self._whole = self.position, "".join(_CLOSING[bracket] for bracket in reversed(brackets))

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

    def _scalar(self) -> None:
        for form in (_STRING, _NUMBER, _WORD):
            found = form.match(self.text, self.position)
            if found is None:
                continue
            if form is _NUMBER and self._open and _CUT_SCALAR.fullmatch(self.text, self.position):
                raise _CutError  # more digits may have stood there
            self.position = found.end()
            return
        if _CUT_SCALAR.fullmatch(self.text, self.position):
            raise _CutError
        raise NotRepairableError(f"{self.where()}: {self.text[self.position : self.position + 20]!r} is no JSON")

    def _separator(self, closing: str) -> None:
        if self._peek() == closing:
            return
        comma = self.position
        if not self._take(","):
            raise NotRepairableError(f"{self.where()}: a comma or '{closing}' is missing")
        if self._peek() == closing:
            self._commas.append(comma)
            self.changes.append("a comma stood before a closing bracket")
