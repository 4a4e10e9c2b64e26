"""Values as people wrote them for a program that checked nothing: numbers as text, yes and no in many words."""

import re
from datetime import timedelta
from typing import Any

from remedy.config.durations import format_duration, parse_duration

_YES = frozenset({"true", "yes", "on", "1", "enabled"})
_NO = frozenset({"false", "no", "off", "0", "disabled", ""})
_NUMBER = re.compile(r"\s*([-+]?\d+(?:\.\d+)?)\s*%?\s*")


def flag(value: Any) -> bool:
    """Read a yes or a no.

    Raises:
        ValueError: it is neither.
    """
    word = str(value).strip().lower()
    if value is None or word in _NO:
        return False
    if word in _YES:
        return True
    raise ValueError(f"{value!r} is neither true nor false")


def number(value: Any) -> float:
    """Read a number, also one in quotes or with a percent sign.

    Raises:
        ValueError: it is none.
    """
    match = None if isinstance(value, bool) else _NUMBER.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{value!r} is no number")
    return float(match[1])


def whole(value: Any) -> int:
    """Read a whole number.

    Raises:
        ValueError: it is none.
    """
    found = number(value)
    if found != int(found):
        raise ValueError(f"{value!r} is no whole number")
    return int(found)


def duration(value: Any) -> str:
    """Read seconds (a number, also in quotes) or a duration such as `5m`, and spell it as Prometheus does.

    Raises:
        ValueError: it is neither, or negative.
    """
    try:
        seconds = number(value)
    except ValueError:
        return format_duration(parse_duration(value))
    if seconds < 0:
        raise ValueError(f"{value!r} is negative")
    try:
        spelt = format_duration(timedelta(seconds=seconds))
    except OverflowError:
        raise ValueError(f"{value!r} is too long") from None
    parse_duration(spelt)
    return spelt


def lasting(value: Any) -> str:
    """Read a duration that is not zero.

    Raises:
        ValueError: it is none, or is.
    """
    spelt = duration(value)
    if not parse_duration(spelt):
        raise ValueError(f"{value!r} is no time at all")
    return spelt


def texts(value: Any) -> list[str]:
    """Read a list of texts; one text is a list of one.

    Raises:
        ValueError: it holds something else.
    """
    entries = value if isinstance(value, list) else [] if value is None else [value]
    if any(not isinstance(entry, str | int | float) or isinstance(entry, bool) for entry in entries):
        raise ValueError("expected a list of texts")
    return [str(entry) for entry in entries if str(entry).strip()]


def names(value: Any) -> list[str]:
    """Read a list of names, also where they stand in one text with commas, or as the keys of what belongs to each.

    Raises:
        ValueError: it holds something else.
    """
    if isinstance(value, dict):
        return [name for name, keys in value.items() if keys is not False and _switched_on(keys)]
    found = value.split(",") if isinstance(value, str) else value
    return [name.strip() for name in texts(found) if name.strip()]


def _switched_on(keys: Any) -> bool:
    return not isinstance(keys, dict) or keys.get("enabled", True) is not False


def regex(value: Any) -> str:
    """Read a regex; of several in a list, one must be found.

    Raises:
        ValueError: it is neither.
    """
    return "|".join(f"(?:{each})" for each in texts(value)) if isinstance(value, list) else text(value)


def text(value: Any) -> str:
    """Read a text; a number is one too.

    Raises:
        ValueError: it is neither.
    """
    if isinstance(value, str | int | float) and not isinstance(value, bool):
        return str(value)
    if value is None:
        return ""
    raise ValueError(f"expected a text, got {value!r}"[:120])
