"""What a log source is in the configuration."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from exporters.checks.base import Name


class LastLines(BaseModel):
    """`start_at: {last_lines: 1000}`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    last_lines: int = Field(ge=1)
    """So many lines before the end."""


StartAt = Literal["end", "beginning"] | LastLines


class LogSource(BaseModel):
    """One source of log lines; what a glob names adds up under its name.

    Rotated files are read to their end, whatever they are called by then; what was copied and truncated is looked for
    in the copy. Out of reach is what was written between a copy and its truncation, and what was deleted or compressed
    before anyone read it: compressed files are left alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Name
    """The label `source` of its metrics."""
    path: str = Field(pattern=r"^/", description="An absolute path or glob.")
    start_at: StartAt = Field(default="end", description="Where to begin in what is there at the first start.")
