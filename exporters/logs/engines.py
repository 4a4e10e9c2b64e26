"""Which of the engines is used."""

from collections.abc import Sequence
from enum import StrEnum

from exporters.logs.engine import Engine
from exporters.logs.hyper import HyperscanEngine
from exporters.logs.own import WithoutOwnLines
from exporters.logs.pattern import LogPattern
from exporters.logs.plain import PlainEngine
from remedy.config.extras import MissingExtra


class EngineChoice(StrEnum):
    """Which engine is wanted."""

    AUTO = "auto"
    """Hyperscan where it is installed, else `re`."""
    HYPERSCAN = "hyperscan"
    RE = "re"


def make_engine(patterns: Sequence[LogPattern], choice: EngineChoice = EngineChoice.AUTO) -> Engine:
    """Make the engine for these patterns; it leaves out our own lines.

    Raises:
        MissingExtra: Hyperscan is asked for, and is not installed.
    """
    if choice is EngineChoice.RE:
        return WithoutOwnLines(patterns, PlainEngine)
    try:
        return WithoutOwnLines(patterns, HyperscanEngine)
    except MissingExtra:
        if choice is EngineChoice.HYPERSCAN:
            raise
        return WithoutOwnLines(patterns, PlainEngine)
