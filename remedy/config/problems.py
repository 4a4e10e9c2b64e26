"""What is wrong with a configuration: every problem with its file, line, key path and a suggestion."""

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic_core import ErrorDetails

KeyPath = tuple[str | int, ...]
_SHOWN = 60
"""Characters of a wrong value that a message repeats."""


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that a person must change, and where."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"


class ConfigError(Exception):
    """A configuration that is refused whole; `problems` holds everything that is wrong with it."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = sorted(set(problems), key=lambda p: (p.file, p.line or 0, p.path, p.message))
        super().__init__("\n".join(map(str, self.problems)))


def spell(path: KeyPath) -> str:
    """Spell a key path as people read it: `remediations[3].steps[0]`."""
    text = ""
    for key in path:
        text += f"[{key}]" if isinstance(key, int) else f".{key}" if text else key
    return text


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """Return ` (did you mean 'x'?)`, or what there is to choose from where nothing is close."""
    names = sorted(known)
    close = difflib.get_close_matches(str(word), names, n=1)
    if close:
        return f" (did you mean '{close[0]}'?)"
    return f" (known: {', '.join(names)})" if names else ""


def describe(error: ErrorDetails, known_keys: Iterable[str] = ()) -> str:  # noqa: PLR0911 - one return per case
    """Say one pydantic error as a sentence for the person who wrote the file."""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key '{error['loc'][-1]}'{did_you_mean(error['loc'][-1], known_keys)}"
        case "missing":
            return f"the key '{error['loc'][-1]}' is missing"
        case "value_error" | "assertion_error":
            return str(error["ctx"]["error"])
        case "literal_error" | "enum":
            expected = str(error["ctx"]["expected"]).replace(" or ", ", ")
            choices = [choice.strip().strip("'") for choice in expected.split(",")]
            return f"unknown value '{error['input']}'{did_you_mean(error['input'], choices)}"
        case "string_pattern_mismatch":
            return f"{_shown(error['input'])} does not have the form {error['ctx']['pattern']}"
        case "model_type" | "dict_type" | "mapping_type":
            return f"expected keys and values, got {_shown(error['input'])}"
        case _:
            return f"{error['msg'][0].lower()}{error['msg'][1:]}, got {_shown(error['input'])}"


def keys_of(loc: Sequence[str | int]) -> KeyPath:
    """Drop what pydantic adds to a location beside keys and indexes (names of union members and functions)."""
    return tuple(part for part in loc if isinstance(part, int) or not any(c in part for c in "[(-"))


def unreadable(file: Path, error: OSError) -> ConfigError:
    """Make the error for a file that cannot be opened."""
    return ConfigError([Problem(str(file), None, "", f"cannot be read: {error.strerror}")])


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
