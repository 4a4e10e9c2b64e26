"""One open log file, read in whole lines from where it was left.

A position is the start of a line, so what was read and not kept is simply read again. An unfinished last line is tried
after a moment of quiet; what it matched is remembered with the position, so that the same line does not count again
when it is finished.
"""

import logging
import os
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from exporters.logs.engine import Engine
from exporters.logs.fingerprint import head_of
from exporters.logs.own import is_own_log
from exporters.logs.position import FileId, Position, file_id, position_at
from exporters.logs.redaction import MOST_BYTES

BLOCK = 256 * 1024
LONGEST_LINE = 1024 * 1024
"""A longer line is matched up to here; the rest is left out and the line counted as cut."""
BATCH = 16 * 1024 * 1024
"""Bytes that one reading takes, about: what is between two commits."""
_SAMPLES = 5


class ReplacedError(Exception):
    """The file is no longer what was read: it was truncated, and perhaps filled anew."""


@dataclass
class Reading:
    """What one reading found, and where it ended. Nothing of it holds until it is committed."""

    position: Position
    lines: Counter[str] = field(default_factory=Counter)
    """Matching lines by pattern id."""
    samples: dict[str, list[bytes]] = field(default_factory=dict)
    """The last few matching lines of each pattern, as much of them as is kept for people."""
    size: int = 0
    """Bytes that were read to the end."""
    cut: int = 0
    """Lines that were too long."""
    unfinished: int = 0
    """Bytes of a last line without its newline."""
    more: bool = False
    """There is more to read at once."""


class Tail:
    """A log file that is held open, under whatever name it may go."""

    def __init__(self, path: Path, fd: int, position: Position) -> None:
        self.fd, self.position = fd, position
        self.path = path
        """Where it was a log; when it is rotated, this stays, and with it where its copies are looked for."""
        self.id: FileId = file_id(os.fstat(fd))
        self.left_at: float | None = None
        """When it lost its path to another file, on the monotonic clock."""
        self.changed_at = 0.0
        """When it was last seen to have changed, on the monotonic clock."""
        self.settled = False
        """Its unfinished last line, if any, has been tried."""
        self.more = True
        """There is more to read at once."""
        self.behind = 0
        """Bytes that are not yet read."""
        self._ours = False
        self._seen: tuple[int, int] = (-1, -1)

    def close(self) -> None:
        """Let go of the file."""
        os.close(self.fd)

    @property
    def is_ours(self) -> bool:
        """Is it a log that we write ourselves, and so not read? It is not known before its first line is there."""
        if not self._ours and is_own_log(self.path, self.fd):
            logging.getLogger(__name__).warning("%s is what we write ourselves, so it is not read", self.path)
            self._ours, self.more, self.settled = True, False, True
        return self._ours

    @property
    def is_empty(self) -> bool:
        """Is nothing in it?"""
        return not os.fstat(self.fd).st_size

    @property
    def is_unread(self) -> bool:
        """Is nothing of it read so far, not even to know it by?"""
        return not self.position.head.end and not self._ours

    def changed(self, now: float) -> bool:
        """Has the file been written to since this was last asked?"""
        stat = os.fstat(self.fd)
        seen, self._seen = self._seen, (stat.st_size, stat.st_mtime_ns)
        if seen == self._seen:
            return False
        self.changed_at, self.settled = now, False
        return True

    def read(self, engine: Engine, ids: list[str], *, settle: bool) -> Reading:
        """Read whole lines up to the end, or about a batch of them; with `settle`, an unfinished last one as well.

        Raises:
            ReplacedError: the file is not what it was; what was read is void.
            OSError: it cannot be read.
        """
        first = head_of(self.fd)
        if not first.end and not self.position.known_again:
            self.behind = os.fstat(self.fd).st_size
            return Reading(self.position, more=self.behind > 0)
        reader = _Reader(self.fd, self.position, engine, ids)
        reading = reader.read(settle=settle)
        size = os.fstat(self.fd).st_size
        # Asked after reading: if the file is the same now, it was so all along, and what was read is good.
        if not (self.position.holds(self.fd) and first.holds(self.fd)) or size < reading.position.offset:
            raise ReplacedError
        self.behind = max(0, size - reading.position.offset - (reading.unfinished if settle else 0))
        return reading


class _Reader:
    """One reading under way."""

    def __init__(self, fd: int, start: Position, engine: Engine, ids: list[str]) -> None:
        self._fd, self._engine, self._ids = fd, engine, ids
        self._offset, self._counted, self._cutting = start.offset, start.counted, start.cutting
        self._found = Reading(start)

    def read(self, *, settle: bool) -> Reading:
        found, start = self._found, self._offset
        while self._offset - start < BATCH and (data := self._next()):
            if self._cutting:
                self._skip(data)
            elif end := data.rfind(b"\n") + 1:
                self._scan(data[:end])
                self._move(end)
            elif len(data) > LONGEST_LINE:
                self._cut(data)
            else:
                found.unfinished = len(data)
                if settle:
                    self._counted |= self._scan(data)
                break
        found.more = self._offset - start >= BATCH
        found.size = self._offset - start
        found.position = position_at(self._fd, self._offset, counted=self._counted, cutting=self._cutting)
        return found

    def _next(self) -> bytes:
        data = os.pread(self._fd, BLOCK, self._offset)
        if len(data) == BLOCK and b"\n" not in data:
            data = os.pread(self._fd, LONGEST_LINE + 1, self._offset)
        return data

    def _skip(self, data: bytes) -> None:
        end = data.find(b"\n") + 1
        self._cutting = not end
        self._offset += end or len(data)

    def _cut(self, data: bytes) -> None:
        hole = len(data) - len(data.lstrip(b"\0"))
        if hole:  # a writer that kept its place over a truncation leaves zeros before its next line
            self._offset += hole
            return
        self._scan(data[:LONGEST_LINE])
        self._move(LONGEST_LINE)
        self._cutting = True
        self._found.cut += 1

    def _move(self, size: int) -> None:
        self._offset += size
        self._counted = frozenset()

    def _scan(self, block: bytes) -> frozenset[str]:
        """Count the block's matching lines; return the ids of the patterns that had any."""
        hits = self._engine.scan(block)
        for index, spans in hits.items():
            pattern = self._ids[index]
            again = pattern in self._counted and spans[0][0] == 0
            new = spans[1:] if again else spans
            if new:
                self._found.lines[pattern] += len(new)
                samples = self._found.samples.setdefault(pattern, [])
                samples += (block[start : min(end, start + MOST_BYTES)] for start, end in new[-_SAMPLES:])
                del samples[:-_SAMPLES]
        return frozenset(self._ids[index] for index in hits)
