"""Our own log lines, which never count: a line about a matching line would match, and so on for ever."""

import re

from exporters.logs.engine import Hits

_WORD = b"remedy"
_OWN = re.compile(rb"\bremedy(?:-(?:exporter|bridge|run|worker))?\[\d+\]: |\bremedy (?:exporter|bridge|run|worker): ")
"""As syslog and the journal name a process of ours, or as our own lines begin."""


def without_own(block: bytes, hits: Hits) -> Hits:
    """Leave out the lines that are ours."""
    find = block.find
    if not any(find(_WORD, start, end) >= 0 for spans in hits.values() for start, end in spans):
        return hits
    others = {index: [span for span in spans if not _OWN.search(block[slice(*span)])] for index, spans in hits.items()}
    return {index: spans for index, spans in others.items() if spans}
