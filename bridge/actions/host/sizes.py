"""Sizes in bytes as people write them: `10MiB`, `2GB`, `512`."""

import re
from typing import Annotated

from pydantic import BeforeValidator

_FACTORS: dict[str, int] = {
    "": 1,
    "B": 1,
    **{f"{p}B": 1000**n for n, p in enumerate("KMGT", 1)},
    **{f"{p}iB": 1024**n for n, p in enumerate("KMGT", 1)},
}
_FORM = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?) ?([KMGT]i?B|B|)")


def parse_size(text: object) -> int:
    """Read a size in bytes.

    Raises:
        ValueError: it is none; the message says what one looks like.
    """
    match = _FORM.fullmatch(str(text)) if isinstance(text, str | int) and not isinstance(text, bool) else None
    if match is None:
        raise ValueError(f"{text!r} is not a size such as 10MiB, 2GB or 4096")
    return round(float(match[1]) * _FACTORS[str(match[2])])


def spell_size(size: float) -> str:
    """Write bytes as people read them: `1.5 MiB`."""
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if size < 1024:  # noqa: PLR2004 - the factor between the units
            return f"{size:.0f} bytes" if unit == "bytes" else f"{size:.1f} {unit}"
        size /= 1024
    return f"{size:.1f} TiB"


Size = Annotated[int, BeforeValidator(parse_size, json_schema_input_type=str | int)]
"""A field that takes a size in bytes."""
