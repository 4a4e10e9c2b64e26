"""Durations as Prometheus writes them: `30s`, `5m`, `1h30m`.

Source of the grammar: Prometheus' configuration documentation, `<duration>`:
`((([0-9]+)y)?(([0-9]+)w)?(([0-9]+)d)?(([0-9]+)h)?(([0-9]+)m)?(([0-9]+)s)?(([0-9]+)ms)?|0)`.
"""

import re
from datetime import timedelta
from typing import Annotated

from pydantic import BeforeValidator, PlainSerializer

_UNITS_MS = {"y": 31_536_000_000, "w": 604_800_000, "d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
_MAX_MS = 292 * _UNITS_MS["y"]
"""Prometheus counts in 64 bit nanoseconds."""
_FORM = re.compile("".join(rf"(?:(?P<{unit}>[0-9]{{1,9}}){unit})?" for unit in _UNITS_MS))


def parse_duration(text: object) -> timedelta:
    """Read a Prometheus duration.

    Raises:
        ValueError: the text is not one; the message says what one looks like.
    """
    if isinstance(text, timedelta):
        return text
    if text == "0" or (text == 0 and not isinstance(text, bool)):
        return timedelta(0)
    match = _FORM.fullmatch(text) if isinstance(text, str) and text else None
    if match is None:
        hint = f" (did you mean '{text}s'?)" if str(text).isdigit() else ""
        raise ValueError(f"{str(text)[:60]!r} is not a duration such as 30s, 5m or 1h30m{hint}")
    total = sum(int(n) * _UNITS_MS[unit] for unit, n in match.groupdict(default="0").items())
    if total > _MAX_MS:
        raise ValueError(f"{text!r} is too long: 292y is the most")
    return timedelta(milliseconds=total)


def format_duration(value: timedelta) -> str:
    """Write a duration as Prometheus does, the largest units first; `0s` for none."""
    left, text = round(value.total_seconds() * 1000), ""
    for unit, size in _UNITS_MS.items():
        if unit not in "yw" or left % size == 0:
            count, left = divmod(left, size)
            text += f"{count}{unit}" if count else ""
    return text or "0s"


Duration = Annotated[
    timedelta, BeforeValidator(parse_duration, json_schema_input_type=str), PlainSerializer(format_duration)
]
"""A pydantic field that takes a Prometheus duration."""
