"""Our own log lines, which never count: a line about a matching line would match, and so on for ever.

They are known by their form, wherever they stand. What bridge and `remedy run` write for people, `alerts.log` and
`auto_fix.log`, is left alone as a whole where the first line has one of their forms.
"""

import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from exporters.logs.engine import Engine, Hits
from exporters.logs.pattern import LogPattern

OWN = LogPattern(
    id="own",
    name="A line of our own",
    regex=r"\bremedy(?:-(?:exporter|bridge|run|worker))?\[\d+\]: |\bremedy (?:exporter|bridge|run|worker): "
    r"|^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:,\d+)? - AutoFixDaemon - \["
    r'|^\{"timestamp": "[^"]*", "severity": [^,]*, "message": ".*", "action": "[a-z_]*", "description": ',
    severity="info",
    matches=[
        "Nov 21 10:00:00 host remedy[812]: a line matches: No space left",
        "remedy exporter: No space left",
        "2026-11-21 10:00:00 - AutoFixDaemon - [WARNING] - No space left",
        '{"timestamp": "2026-11-21", "severity": "critical", "message": "x", "action": "fixed", "description": "y"}',
    ],
    ignores=[
        "there is no remedy for this: No space left",
        "2026-11-21 10:00:00 - app - [ERROR] - No space left",
        '{"timestamp": "2026-11-21", "message": "No space left"}',
    ],
)
"""As syslog and the journal name a process of ours, or as lines of ours begin, those of alerts.log too."""
_OWN_NAME = re.compile(r"(?:alerts|auto_fix)\.log(?:[.-].*)?")
_FIX = re.compile(rb"\d{4}-\d\d-\d\dT\S+ run \S+ \S+(?: \(.*\))?: ")
"""A line of the bridge's auto_fix.log; too much like other people's to be known by its form alone."""
_FIRST_LINE = 16 * 1024


def is_own_log(path: Path, fd: int) -> bool:
    """Tell whether a file is one that bridge or `remedy run` writes for people, by its name and its first line."""
    if not _OWN_NAME.fullmatch(path.name):
        return False
    line = os.pread(fd, _FIRST_LINE, 0).partition(b"\n")[0]
    return bool(_FIX.match(line) or OWN.compiled().search(line))


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
