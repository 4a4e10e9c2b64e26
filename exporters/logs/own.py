"""Our own log lines, which never count: a line about a matching line would match, and so on for ever."""

from collections.abc import Callable, Sequence

from exporters.logs.engine import Engine, Hits
from exporters.logs.pattern import LogPattern

OWN = LogPattern(
    id="own",
    name="A line of our own",
    regex=r"\bremedy(?:-(?:exporter|bridge|run|worker))?\[\d+\]: |\bremedy (?:exporter|bridge|run|worker): ",
    severity="info",
    matches=["Nov 21 10:00:00 host remedy[812]: a line matches: No space left", "remedy exporter: No space left"],
    ignores=["there is no remedy for this: No space left"],
)
"""As syslog and the journal name a process of ours, or as our own lines begin."""


class WithoutOwnLines:
    """An engine that leaves out our own lines; they are one more pattern for the engine behind it."""

    def __init__(self, patterns: Sequence[LogPattern], make: Callable[[Sequence[LogPattern]], Engine]) -> None:
        """Make the engine behind it, with `make`."""
        self._engine, self._own = make([*patterns, OWN]), len(patterns)

    def scan(self, block: bytes) -> Hits:
        """Return the matching lines that are not ours."""
        hits = self._engine.scan(block)
        if self._own not in hits:
            return hits
        own = set(hits[self._own])
        others = {index: [span for span in spans if span not in own] for index, spans in hits.items()}
        return {index: spans for index, spans in others.items() if spans}
