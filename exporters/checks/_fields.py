"""Types that several kinds of checks use for their fields."""

import re
from typing import Annotated

from pydantic import AfterValidator


def _compiles(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is not a regular expression: {error}") from None
    return text


Regex = Annotated[str, AfterValidator(_compiles)]
"""A regular expression of Python's `re`, as text."""
