"""Types of fields that labels may fill: each has its own form and length, the second fence after the core's.

Labels come from logs, and logs from attackers: no control characters, and none that turn the direction of writing, so
that what a person reads in an approval is what runs.
"""

import unicodedata
from pathlib import Path
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

MAX_TEXT = 4096
_TURNING = frozenset("\u200e\u200f\u061c\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_UNPRINTED = frozenset({"Cc", "Cs", "Zl", "Zp"})


def plain(text: str) -> str:
    """Return text that is one line of what a person can see.

    Raises:
        ValueError: it is too long, or holds a character that is not seen or that turns the direction of writing.
    """
    if len(text) > MAX_TEXT:
        raise ValueError(f"is {len(text)} characters long; {MAX_TEXT} are allowed")
    for char in "" if text.isprintable() else text:  # by far the most is, and holds none of these
        if char in _TURNING or unicodedata.category(char) in _UNPRINTED:
            raise ValueError(f"must not hold the character U+{ord(char):04X}")
    return text


def _whole_parts(path: object) -> object:
    """Refuse what a path loses silently: a label of `.` or `/` would make the folder above of the one that is meant."""
    if isinstance(path, str) and not {"", "."}.isdisjoint(path.removesuffix("/").split("/")[1:]):
        raise ValueError(f"'{path[:200]}' must not hold '.' or nothing between two slashes")
    return path


def _absolute(path: Path) -> Path:
    plain(str(path))
    if not path.is_absolute() or str(path).startswith("//"):
        raise ValueError(f"'{path}' is not an absolute path")
    if ".." in path.parts:
        raise ValueError(f"'{path}' must not hold '..'")
    return path


Text = Annotated[str, AfterValidator(plain)]
"""One line of text."""

AbsolutePath = Annotated[Path, BeforeValidator(_whole_parts, json_schema_input_type=Path), AfterValidator(_absolute)]
"""An absolute path without `..`."""

_UNIT_FORM = r"^[A-Za-z0-9:_.\\][A-Za-z0-9:_.\\@-]*\.(service|socket|timer|path|mount|target|slice|scope)$"
UnitName = Annotated[str, StringConstraints(pattern=_UNIT_FORM, max_length=255)]
"""A systemd unit with its suffix; systemctl's own glob characters are no part of it."""

UserName = Annotated[str, StringConstraints(pattern=r"^[a-z_][a-z0-9_-]*$", max_length=32)]
EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=128)]
FileGlob = Annotated[str, AfterValidator(plain), StringConstraints(pattern=r"^[^/]+$", max_length=255)]
"""A pattern for the name of a file (`*.log`, `app-?.tmp`); it holds no slash."""

Port = Annotated[int, Field(ge=1, le=65535)]
