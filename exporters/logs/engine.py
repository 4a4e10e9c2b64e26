"""What finds matching lines in a block of a log. Two engines, one specification: `re` on bytes, line by line.

Both nominate lines quickly, and perhaps a few too many; what they nominate is confirmed with `re` on that one line,
unless the nomination was made with a regex that is the same, only spelt in another way.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from exporters.logs.pattern import LogPattern

Span = tuple[int, int]
"""Where a line starts and ends in its block, without its newline."""
Hits = Mapping[int, list[Span]]
"""For each pattern by its index: the lines that it matches, each once, in order."""
_NEAR = 24
"""Bytes; any number gives the same result."""


def line_at(block: bytes, place: int) -> Span:
    """Return the line on which a place lies; a newline belongs to the line that it ends."""
    end = block.find(b"\n", place)
    return block.rfind(b"\n", 0, place) + 1, end if end >= 0 else len(block)


class Engine(Protocol):
    """Finds the matching lines of a block."""

    def scan(self, block: bytes) -> Hits:
        """Return the lines of the block that match; a block holds whole lines, the last one perhaps without newline."""


class Confirmer:
    """Keeps of the nominated lines those that `re` matches."""

    def __init__(self, patterns: Sequence[LogPattern]) -> None:
        self._searches = [pattern.compiled().search for pattern in patterns]

    def holds(self, index: int, line: bytes, place: int) -> bool:
        """Tell whether a pattern matches a line in which it was seen at a place."""
        search = self._searches[index]
        # Most matches begin shortly before where they were seen: there first, then in the whole line.
        near = place - _NEAR
        return bool((near > 0 and search(line, near)) or search(line))

    def confirmed(self, block: bytes, index: int, places: Iterable[int]) -> list[Span]:
        """Return the lines on which one of `places` lies and which the pattern matches; places come in order."""
        found: list[Span] = []
        end = -1
        for place in places:
            if place > end:  # else it is the same line again
                start, end = line_at(block, place)
                if self.holds(index, block[start:end], place - start):
                    found.append((start, end))
        return found

    def every_line(self, block: bytes, index: int) -> list[Span]:
        """Return the lines that the pattern matches, without any nomination."""
        search = self._searches[index]
        found, start = [], 0
        for line in block.split(b"\n"):
            end = start + len(line)
            if search(line):
                found.append((start, end))
            start = end + 1
        return found
