"""What is wrong with a configuration: every problem with its file, line, key path and a suggestion."""

import difflib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from pydantic_core import ErrorDetails

from remedy.config.durations import format_duration

KeyPath = tuple[str | int, ...]
EMPTY = "expected at least one entry, got none"
_SHOWN = 60
"""Characters of a wrong value that a message repeats."""
_SECRET = re.compile("password|secret|token|credential|authorization|api_?key|dsn|database$|urls?$", re.IGNORECASE)
_BOUNDS = {
    "greater_than": "more than",
    "greater_than_equal": "at least",
    "less_than": "less than",
    "less_than_equal": "at most",
}
_TIMEDELTA = re.compile(r"(days|seconds|microseconds)=(\d+)")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


@dataclass(frozen=True, order=True)
class Problem:
    """One thing that a person must change, and where. Always one line, whatever stands in the file."""

    file: str
    line: int | None
    path: str
    message: str

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        text = f"{where}: {self.path}: {self.message}" if self.path else f"{where}: {self.message}"
        return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


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
    close = difflib.get_close_matches(str(word)[:_SHOWN], names, n=1)
    if close:
        return f" (did you mean '{close[0]}'?)"
    return f" (known: {', '.join(names)})" if names else ""


def describe(error: ErrorDetails, known_keys: Iterable[str] = ()) -> str:  # noqa: PLR0911 - one return per case
    """Say one pydantic error as a sentence for the person who wrote the file; what may be a secret is not repeated."""
    given = _given(error)
    match error["type"]:
        case "extra_forbidden":
            name = str(error["loc"][-1])
            return f"unknown key {_quoted(name)}{did_you_mean(name, known_keys)}"
        case "missing":
            return f"the key '{error['loc'][-1]}' is missing"
        case "value_error" | "assertion_error":
            return str(error["ctx"]["error"])
        case "literal_error" | "enum":
            expected = str(error["ctx"]["expected"]).replace(" or ", ", ")
            choices = [choice.strip().strip("'") for choice in expected.split(",")]
            return f"unknown value {given}{did_you_mean(error['input'], choices)}"
        case "string_pattern_mismatch":
            return f"{given} does not have the form {error['ctx']['pattern']}"
        case "model_type" | "dict_type" | "mapping_type":
            return f"expected keys and values, got {_kind(error['input'])}"
        case "list_type" | "tuple_type" | "set_type" | "frozen_set_type":
            return f"expected a list, got {_kind(error['input'])}"
        case "too_short":
            return EMPTY
        case "greater_than" | "greater_than_equal" | "less_than" | "less_than_equal":
            return f"must be {_BOUNDS[error['type']]} {_bound(error)}, got {given}"
        case _:
            return f"{_in_a_sentence(error['msg'])}, got {given}"


def unreadable(file: Path, error: OSError) -> ConfigError:
    """Make the error for a file that cannot be opened."""
    return ConfigError([Problem(str(file), None, "", f"cannot be read: {error.strerror}")])


def _bound(error: ErrorDetails) -> str:
    """Spell the bound; pydantic gives that of a duration as Python writes a timedelta."""
    (value,) = error["ctx"].values()
    parts = {unit: int(count or 0) for unit, count in _TIMEDELTA.findall(str(value))}
    return format_duration(timedelta(**parts)) if str(value).startswith("datetime.") else str(value)


def _in_a_sentence(text: str) -> str:
    """Begin with a small letter, unless the first word is an abbreviation such as URL."""
    return text if text[:2].isupper() else text[:1].lower() + text[1:]


def _given(error: ErrorDetails) -> str:
    names = [part for part in error["loc"] if isinstance(part, str)]
    if names and _SECRET.search(names[-1]):
        return "something else (not shown, it may be a secret)"
    return _quoted(error["input"])


def _kind(value: object) -> str:
    """Name what was given instead of showing it: a whole section may hold secrets."""
    match value:
        case None:
            return "nothing"
        case bool() | int() | float():
            return "a number or a yes/no"
        case str():
            return "text"
        case list() | tuple():
            return "a list"
        case dict():
            return "keys and values"
    return "something else"


def _quoted(value: object) -> str:
    text = "nothing" if value is None else f"'{value}'" if isinstance(value, str) else repr(value)
    return text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
