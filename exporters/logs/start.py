"""Where to begin in a log file that was there before we first looked."""

import os

from exporters.logs.engine import Engine
from exporters.logs.position import Position, position_at
from exporters.logs.settings import LastLines, StartAt

_STEP = 64 * 1024
_LONGEST_LINE = 1024 * 1024


def first_position(fd: int, start_at: StartAt, engine: Engine, ids: list[str]) -> Position:
    """Return where to begin; what an unfinished last line holds by now counts as seen when we start at the end."""
    if start_at == "beginning":
        return Position()
    wanted = start_at.last_lines if isinstance(start_at, LastLines) else 0
    offset = _start_of_last_lines(fd, os.fstat(fd).st_size, wanted)
    if wanted:
        return position_at(fd, offset)
    unfinished = os.pread(fd, _LONGEST_LINE, offset)
    counted = frozenset(ids[index] for index in engine.scan(unfinished)) if unfinished else frozenset()
    return position_at(fd, offset, counted=counted)


def _start_of_last_lines(fd: int, size: int, wanted: int) -> int:
    """Return the offset after the newline before the last `wanted` finished lines; 0 if there are not so many."""
    end, newlines = size, 0
    while end > 0:
        start = max(0, end - _STEP)
        block = os.pread(fd, end - start, start)
        at = len(block)
        while (at := block.rfind(b"\n", 0, at)) >= 0:
            newlines += 1
            if newlines > wanted:
                return start + at + 1
        end = start
    return 0
