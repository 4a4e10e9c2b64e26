"""The engine that needs nothing but Python's `re`: the specification itself."""

from collections.abc import Sequence

from exporters.logs.engine import Hits, Span
from exporters.logs.pattern import LogPattern


class PlainEngine:
    """Tries every pattern on every line."""

    def __init__(self, patterns: Sequence[LogPattern]) -> None:
        self._searches = [pattern.compiled().search for pattern in patterns]

    def scan(self, block: bytes) -> Hits:
        """Return the matching lines."""
        hits: dict[int, list[Span]] = {}
        start = 0
        for line in block.split(b"\n"):
            end = start + len(line)
            for index, search in enumerate(self._searches):
                if search(line):
                    hits.setdefault(index, []).append((start, end))
            start = end + 1
        return hits
