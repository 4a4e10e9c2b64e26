"""The fast engine: Hyperscan nominates, all patterns in one pass; `re` confirms.

Block mode without start-of-match. Hyperscan reports every end of a match, so a line may be nominated many times; where
a block has more such events than are worth their while, it is gone through without it.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from exporters.logs.engine import Confirmer, Hits, Span
from exporters.logs.pattern import FLAGS, LogPattern
from exporters.logs.plain import PlainEngine
from exporters.logs.widened import parse, widened
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
        texts = {index: widened(parse(pattern.regex, FLAGS)) for index, pattern in enumerate(patterns)}
        able = [index for index, text in texts.items() if text]
        self._database = self._compiled_if_possible(texts, able)
        if self._database is None:
            able = [index for index in able if self._compiled_if_possible(texts, [index]) is not None]
            self._database = self._compiled_if_possible(texts, able)
        self._unable = [index for index in texts if index not in able]
        self._rest = PlainEngine([patterns[index] for index in self._unable])

    def scan(self, block: bytes) -> Hits:
        """Return the matching lines."""
        places: dict[int, list[int]] = {}
        left = _MOST_EVENTS

        def event(index: int, _start: int, end: int, _flags: int, _context: object) -> bool:
            nonlocal left
            left -= 1
            try:
                places[index].append(end - 1)
            except KeyError:
                places[index] = [end - 1]
            return left < 0

        if self._database is not None:
            try:
                self._database.scan(block, match_event_handler=event)
            except self._hyperscan.ScanTerminated:
                return self._plain.scan(block)
        hits: dict[int, list[Span]] = {}
        for index, ends in places.items():
            if found := self._confirmer.confirmed(block, index, ends):
                hits[index] = found
        for number, found in self._rest.scan(block).items() if self._unable else ():
            hits[self._unable[number]] = found
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
