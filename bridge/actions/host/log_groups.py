"""Group log lines that say the same: numbers, addresses and quoted words differ, tracebacks count as one."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?:Z|[+-]\d\d:?\d\d)?|\w{3} [ \d]\d \d\d:\d\d:\d\d")
_VARIABLE = re.compile(r"0x[0-9a-fA-F]+|\b[0-9a-fA-F]{8,}(?:-[0-9a-fA-F]{4,})*\b|\d+|\"[^\"]*\"|'[^']*'")
_TRACEBACK = "Traceback (most recent call last):"
_CONTINUED = re.compile(r"\s|\Z|Caused by|During handling of|The above exception|\.\.\. \d+ more")
_FRAME = re.compile(r'\s*File "(?P<file>[^"]+)", line \d+, in (?P<function>.+)')
_LONGEST = 300


@dataclass
class LogGroup:
    """What is said again and again."""

    signature: str
    example: str
    """The latest of them, its first and last line."""
    count: int = 0
    first_seen: str = ""
    """As the log writes it; empty where lines carry no time."""
    last_seen: str = ""


def groups(lines: Iterable[str], words: Sequence[str]) -> list[LogGroup]:
    """Group the entries that hold one of the words (in small or capital letters); the most frequent first."""
    found: dict[str, LogGroup] = {}
    wanted = [word.lower() for word in words]
    for entry in entries(lines):
        text = "\n".join(entry).lower()
        if wanted and not any(word in text for word in wanted):
            continue
        key = signature(entry)
        group = found.setdefault(key, LogGroup(key, ""))
        group.count += 1
        time = _TIME.search(entry[0])
        group.last_seen = time[0] if time else group.last_seen
        group.first_seen = group.first_seen or group.last_seen
        group.example = entry[0] if len(entry) == 1 else f"{entry[0]} … {entry[-1].strip()}"
    return sorted(found.values(), key=lambda group: (-group.count, group.signature))


def entries(lines: Iterable[str]) -> Iterator[list[str]]:
    """Put together what belongs together: a line, and the lines of a traceback or the indented ones that follow it."""
    entry: list[str] = []
    in_traceback = False
    for line in lines:
        belongs = bool(_CONTINUED.match(line)) or _TRACEBACK in line or in_traceback
        if entry and not belongs:
            yield entry
            entry = []
        if in_traceback and not _CONTINUED.match(line) and _TRACEBACK not in line:
            in_traceback = False  # the line that names the exception is its last
        if _TRACEBACK in line:
            in_traceback = True
        if line.strip():
            entry.append(line.rstrip())
    if entry:
        yield entry


def signature(entry: Sequence[str]) -> str:
    """Return what stays the same: of a traceback the exception and its innermost frame, of a line its fixed words."""
    frames = [frame for line in entry if (frame := _FRAME.match(line))]
    if frames:
        exception = entry[-1].strip().partition(":")[0]
        return f"{exception} in {frames[-1]['function']} ({frames[-1]['file'].rpartition('/')[2]})"[:_LONGEST]
    return _VARIABLE.sub("#", _TIME.sub("", entry[0])).strip()[:_LONGEST]
