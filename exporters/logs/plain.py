"""The engine that needs nothing but Python: looks for texts that a line must hold, and tries `re` where they are."""

from collections.abc import Iterator, Sequence
from heapq import merge

from exporters.logs.engine import Confirmer, Hits, Span
from exporters.logs.literals import needed
from exporters.logs.pattern import FLAGS, LogPattern
from exporters.logs.prefilter import Prefilter
from exporters.logs.widened import parse


class PlainEngine:
    """Behind a prefilter of texts for all patterns that have them; line by line for those that have none.

    What the prefilter leaves is put together, and each pattern's own texts are looked for in that.
    """

    def __init__(self, patterns: Sequence[LogPattern]) -> None:
        self._confirmer = Confirmer(patterns)
        needles = [needed(parse(pattern.regex, FLAGS)) for pattern in patterns]
        self._texts = {
            index: sorted({needle.text for needle in found}) for index, found in enumerate(needles) if found is not None
        }
        self._textless = [index for index, found in enumerate(needles) if found is None]
        self._prefilter = Prefilter(needle for found in needles if found is not None for needle in found)

    def scan(self, block: bytes) -> Hits:
        """Return the matching lines."""
        hits: dict[int, list[Span]] = {}
        for index in self._textless:
            if found := self._confirmer.every_line(block, index):
                hits[index] = found
        lower = block.lower()
        if lines := list(self._prefilter.lines(lower)):
            hits |= self._among(lines, block, lower)
        return hits

    def _among(self, lines: list[Span], block: bytes, lower: bytes) -> dict[int, list[Span]]:
        """Return the matching ones of some lines."""
        few = b"\n".join([block[start:end] for start, end in lines])
        few_lower = b"\n".join([lower[start:end] for start, end in lines])
        origins, at = dict[int, Span](), 0
        for start, end in lines:
            origins[at] = (start, end)
            at += end - start + 1
        hits: dict[int, list[Span]] = {}
        for index, texts in self._texts.items():
            places = merge(*(_places(few_lower, text) for text in texts))
            if found := self._confirmer.confirmed(few, index, places):
                hits[index] = [origins[start] for start, _ in found]
        return hits


def _places(block: bytes, text: bytes) -> Iterator[int]:
    """Yield where a text stands, once a line."""
    place = block.find(text)
    while place >= 0:
        yield place
        line_end = block.find(b"\n", place)
        place = block.find(text, line_end) if line_end >= 0 else -1
