"""systemd's journal as a log: journalctl in its export format, which keeps every byte.

The format: lines `NAME=value`; or for a value with other bytes, a line `NAME`, its length as 8 bytes (little-endian),
the value and a newline; an entry ends with an empty line (systemd.io/JOURNAL_EXPORT_FORMATS).
"""

import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from exporters.logs.program import FeedError, Programs, Record
from exporters.logs.settings import Journal, LastLines, StartAt

_LENGTH = struct.Struct("<Q")
_LARGEST = 64 * 1024 * 1024
"""Bytes of an entry that are taken."""
_STREAM = "journal"
_OURS = re.compile(rb"remedy(-(exporter|bridge|run|worker))?")
"""What our own processes are called in the journal; their entries never count."""


@dataclass(frozen=True)
class Entry:
    """What we want of an entry."""

    cursor: str
    message: bytes | None
    ours: bool


class ExportReader:
    """Reads the export format, however it comes in pieces."""

    def __init__(self) -> None:
        self._data = b""
        self._fields: dict[bytes, bytes] = {}

    def feed(self, data: bytes) -> Iterator[Entry]:
        """Yield the entries that are complete with this.

        Raises:
            FeedError: an entry is too large.
        """
        self._data += data
        at = 0
        while (field := self._field(at)) is not None:
            at, name, value = field
            if name:
                self._fields[name] = value
                continue
            fields, self._fields = self._fields, {}
            if b"__CURSOR" in fields:
                ours = _OURS.fullmatch(fields.get(b"SYSLOG_IDENTIFIER", b"")) is not None
                yield Entry(fields[b"__CURSOR"].decode("ascii", "replace"), fields.get(b"MESSAGE"), ours)
        self._data = self._data[at:]
        if len(self._data) > _LARGEST:
            raise FeedError("an entry of the journal is too large")

    def _field(self, at: int) -> tuple[int, bytes, bytes] | None:
        """Return (where the next one begins, name, value) of the field at a place, if it is complete."""
        end = self._data.find(b"\n", at)
        if end < 0:
            return None
        name, equals, value = self._data[at:end].partition(b"=")
        if equals or not name:
            return end + 1, name, value
        begin = end + 1 + _LENGTH.size
        if len(self._data) < begin:
            return None
        stop = begin + _LENGTH.unpack_from(self._data, end + 1)[0]
        return (stop + 1, name, self._data[begin:stop]) if len(self._data) > stop else None


class JournalFeed:
    """The entries of the journal."""

    def __init__(self, settings: Journal, start_at: StartAt) -> None:
        place = ["--directory", str(settings.directory)] if settings.directory else []
        self._argv = ["journalctl", *place, "--output=export", "--output-fields=MESSAGE,SYSLOG_IDENTIFIER"]
        self._filters = [f"--unit={unit}" for unit in settings.units]
        self._filters += [f"--identifier={name}" for name in settings.identifiers]
        self._start_at = start_at

    def follow(self, cursors: Mapping[str, str], programs: Programs) -> Iterator[list[Record]]:
        """Yield the messages behind the cursor, and those that come."""
        cursor = cursors.get(_STREAM)
        lines = "all"
        if cursor is None:
            if isinstance(self._start_at, LastLines):
                lines = str(self._start_at.last_lines)
            cursor = self._end(programs) if self._start_at == "end" else ""
            yield [Record(_STREAM, cursor)] if lines == "all" else []
        # With --after-cursor, an entry would be skipped where that of the cursor is gone.
        place = [f"--cursor={cursor}"] if cursor else []
        reader = ExportReader()
        for name, data in programs.output([*self._argv, *self._filters, "--follow", f"--lines={lines}", *place]):
            if name == "out":
                entries = [entry for entry in reader.feed(data) if entry.cursor != cursor]
                yield [Record(_STREAM, entry.cursor, None if entry.ours else entry.message) for entry in entries]

    def _end(self, programs: Programs) -> str:
        """Return the cursor of the last entry; an empty one where there is none."""
        reader = ExportReader()
        last = ""
        for name, data in programs.output([*self._argv, "--lines=1"]):
            for entry in reader.feed(data) if name == "out" else ():
                last = entry.cursor
        return last
