"""What finds matching lines in a block of a log. Two engines, one specification: `re` on bytes, line by line."""

from collections.abc import Mapping
from typing import Protocol

Span = tuple[int, int]
"""Where a line starts and ends in its block, without its newline."""
Hits = Mapping[int, list[Span]]
"""For each pattern by its index: the lines that it matches, each once, in order."""


class Engine(Protocol):
    """Finds the matching lines of a block."""

    def scan(self, block: bytes) -> Hits:
        """Return the lines of the block that match; a block holds whole lines, the last one perhaps without newline."""
