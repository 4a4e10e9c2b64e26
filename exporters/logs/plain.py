"""The engine that needs nothing but Python: looks for texts that a line must hold, and tries `re` where they are."""

from collections.abc import Iterator, Sequence
from heapq import merge

from exporters.logs.engine import Confirmer, Hits, Span
from exporters.logs.literals import needed
from exporters.logs.pattern import FLAGS, LogPattern
from exporters.logs.widened import parse


class PlainEngine:
    """Behind a prefilter of literals where a pattern has them; line by line where it has none."""

    def __init__(self, patterns: Sequence[LogPattern]) -> None:
        self._confirmer = Confirmer(patterns)
        self._needed = [needed(parse(pattern.regex, FLAGS)) for pattern in patterns]

    def scan(self, block: bytes) -> Hits:
        """Return the matching lines."""
        lower = block.lower()
        hits: dict[int, list[Span]] = {}
        for index, texts in enumerate(self._needed):
            if texts is None:
                found = self._confirmer.every_line(block, index)
            else:
                found = self._confirmer.confirmed(block, index, merge(*(_places(lower, text) for text in texts)))
            if found:
                hits[index] = found
        return hits


def _places(block: bytes, text: bytes) -> Iterator[int]:
    """Yield where a text stands, once a line."""
    place = block.find(text)
    while place >= 0:
        yield place
        line_end = block.find(b"\n", place)
        place = block.find(text, line_end) if line_end >= 0 else -1
