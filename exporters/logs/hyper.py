"""The fast engine: Hyperscan nominates, all patterns in one pass; `re` confirms where Hyperscan was told less.

Block mode without start-of-match. Hyperscan reports every end of a match, so a line may be nominated many times; where
a block has more such events than are worth their while, it is gone through without it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from exporters.logs.engine import Confirmer, Hits, Span, line_at
from exporters.logs.narrowed import narrowed
from exporters.logs.pattern import FLAGS, LogPattern
from exporters.logs.plain import PlainEngine
from exporters.logs.widened import is_exact, parse, trimmed, widened
from remedy.config.extras import require

_MOST_EVENTS = 50_000
"""In one block."""


class HyperscanEngine:
    """Hyperscan for what it compiles, the plain engine for the rest."""

    def __init__(self, patterns: Sequence[LogPattern]) -> None:
        """Compile.

        Raises:
            MissingExtra: Hyperscan is not installed.
        """
        self._hyperscan = require("hyperscan", "fast")
        self._confirmer = Confirmer(patterns)
        self._plain = PlainEngine(patterns)
        nodes = [parse(pattern.regex, FLAGS) for pattern in patterns]
        ends = [trimmed(each) for each in nodes]
        told = [narrowed(each) for each in ends]
        self._exact = [is_exact(each) and told[index] == ends[index] for index, each in enumerate(nodes)]
        texts = {index: widened(each) for index, each in enumerate(told)}
        able = [index for index, text in texts.items() if text]
        self._database = self._compiled_if_possible(texts, able)
        if self._database is None:
            able = [index for index in able if self._compiled_if_possible(texts, [index]) is not None]
            self._database = self._compiled_if_possible(texts, able)
        self._unable = [index for index in texts if index not in able]
        self._rest = PlainEngine([patterns[index] for index in self._unable])

    def scan(self, block: bytes) -> Hits:
        """Return the matching lines."""
        events: list[tuple[int, int]] = []
        seen = events.append

        def event(index: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            seen((end, index))
            return len(events) > _MOST_EVENTS

        if self._database is not None:
            try:
                self._database.scan(_ended(block), match_event_handler=event)
            except self._hyperscan.ScanTerminated:
                return self._plain.scan(block)
        events.sort()  # as they come, but nobody promises it
        hits = self._lines(block, events)
        for number, found in self._rest.scan(block).items() if self._unable else ():
            hits[self._unable[number]] = found
        return hits

    def _lines(self, block: bytes, events: Iterable[tuple[int, int]]) -> dict[int, list[Span]]:
        """Return the matching lines of the patterns that were seen to end somewhere; ends come in order."""
        exact, holds = self._exact, self._confirmer.holds
        hits: dict[int, list[Span]] = {}
        looked_at: set[int] = set()
        start, end = 0, -1
        for after, index in events:
            place = max(0, after - 1)
            if place > end:
                start, end = span = line_at(block, place)
                looked_at = set()
            if index in looked_at:
                continue
            looked_at.add(index)
            if exact[index] or holds(index, block[start:end], place - start):
                try:
                    hits[index].append(span)
                except KeyError:
                    hits[index] = [span]
        return hits

    def _compiled_if_possible(self, texts: Mapping[int, bytes], ids: Sequence[int]) -> Any:
        """Return a database of these patterns; None if one of them is beyond Hyperscan, or there are none."""
        if not ids:
            return None
        hyperscan = self._hyperscan
        database = hyperscan.Database(mode=hyperscan.HS_MODE_BLOCK)
        flags = [hyperscan.HS_FLAG_CASELESS | hyperscan.HS_FLAG_MULTILINE] * len(ids)
        try:
            database.compile([texts[index] for index in ids], ids=ids, elements=len(ids), flags=flags)
        except hyperscan.error:
            return None
        return database


def _ended(block: bytes) -> bytes:
    """Return the block with a newline at its end: some of what ends with the last byte is missed."""
    return block if block.endswith(b"\n") else block + b"\n"
