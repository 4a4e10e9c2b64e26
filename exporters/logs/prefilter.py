"""Which lines of a block are worth a closer look: those that hold one of the texts that some regex needs.

Looking for each text by itself would read the block once for each. Instead texts that share a byte are looked for
together, by a regex that begins with that byte: Python's `re` jumps from one such byte to the next, and tries what may
follow it. Rare bytes are chosen, so that there are few to jump to.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from heapq import merge

from exporters.logs.engine import Span, line_at
from exporters.logs.literals import Needle

_PERCENT = dict(
    zip(
        b"etaoinsrhldcumfpgwybvkxjqz",
        (12, 9, 8, 7.5, 7, 6.5, 6, 6, 6, 4, 4, 3, 3, 2.5, 2, 2, 2, 2, 2, 1.5, 1, 0.8, 0.2, 0.2, 0.1, 0.1),
        strict=True,
    )
)
"""How often a byte stands in a text, about. Other numbers give the same lines, later."""
_OTHERS = 6.0
_ONE_PASS = 0.6
"""What reading the block once more costs, on the same scale."""

_FOLLOWED = 2
"""Bytes; texts are one longer at least."""


class Prefilter:
    """Nominates lines for texts."""

    def __init__(self, needles: Iterable[Needle]) -> None:
        groups = _grouped(frozenset(needles))
        self._searches = [re.compile(regex, re.MULTILINE).finditer for regex in groups]  # `$` is a line's end, too

    def lines(self, block: bytes) -> Iterator[Span]:
        """Yield the lines that hold one of the texts, in order; `block` is in lower case."""
        end = -1
        for place in merge(*([found.start() for found in search(block)] for search in self._searches)):
            if place > end:
                start, end = line_at(block, place)
                yield start, end


def _grouped(needles: frozenset[Needle]) -> Iterator[bytes]:
    """Yield a regex for each group of texts: the byte that they share, and what follows it in each."""
    left = set(needles)
    while left:
        shared = Counter(byte for needle in left for byte in set(_starts(needle)))
        byte = min(shared, key=lambda each: ((_PERCENT.get(each, _OTHERS) + _ONE_PASS) / shared[each], each))
        group = [needle for needle in left if byte in _starts(needle)]
        ends = {re.escape(text[text.index(byte) + 1 :]) + rest for text, rest in group}
        yield re.escape(bytes([byte])) + b"(?:" + b"|".join(sorted(ends)) + b")"
        left.difference_update(group)


def _starts(needle: Needle) -> bytes:
    """Return the bytes to begin with: those with enough behind them to tell the text from others."""
    return needle.text[:-_FOLLOWED]
