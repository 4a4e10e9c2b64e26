"""What a log pattern is: an id, a regex, a severity, and lines that show what it matches and what it does not."""

import re
import warnings
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

FLAGS = re.IGNORECASE
"""Patterns are Python's `re` on bytes, tried on one line at a time without its newline."""


class LogPattern(BaseModel):
    """One log pattern: data, not code."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=100)]
    """The label `pattern` of its metric."""
    name: str
    """What people call it."""
    regex: str = Field(description="Python's `re`, tried on each line by itself; case is ignored.")
    severity: Literal["info", "warning", "error", "critical"]
    """The label `severity` of its metric, and of the alert."""
    builtin: bool = Field(default=True, description="For those that ship: is it part of `use: [builtin]`?")
    matches: list[str] = Field(default=[], description="Lines that it must match; checked when it is loaded.")
    ignores: list[str] = Field(default=[], description="Lines that it must not match.")

    def compiled(self) -> re.Pattern[bytes]:
        """Return the specification of what it matches."""
        return re.compile(self.regex.encode(), FLAGS)

    @field_validator("regex")
    @classmethod
    def _compiles(cls, regex: str) -> str:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")  # such as for [[:alpha:]], which is no class of letters here
                found = re.compile(regex.encode(), FLAGS).search(b"")
        except (re.error, Warning) as error:
            raise ValueError(f"{regex!r} is not a regular expression: {error}") from None
        if found:
            raise ValueError(f"{regex!r} matches the empty line, and so every line")
        return regex

    @model_validator(mode="after")
    def _samples_hold(self) -> "LogPattern":
        regex = self.compiled()
        for line in self.matches:
            if not regex.search(line.encode()):
                raise ValueError(f"does not match its own sample {line!r}")
        for line in self.ignores:
            if regex.search(line.encode()):
                raise ValueError(f"matches {line!r}, which it says it ignores")
        return self
