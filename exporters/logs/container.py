"""A Docker container's output as a log: `docker logs` with its time stamps, which say where to go on.

Its output and its errors are two streams, each with a cursor: the last time stamp, and how many records with that same
one were read. `--since` shows records from a time stamp on, that one included.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from exporters.logs.program import FeedError, Programs, Record
from exporters.logs.settings import DockerLogs, LastLines, StartAt

_STAMP = re.compile(rb"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z ")
_STAMPS = re.compile(rb"^" + _STAMP.pattern, re.MULTILINE)
_STAMP_SIZE = len("2026-11-21T10:00:00.000000000Z ")
_PART = 16 * 1024
"""Docker splits a longer line into parts of this size, and puts a time stamp before each."""
_LARGEST = 64 * 1024 * 1024
_ALL = 1_000_000_000


class _Cursor(NamedTuple):
    stamp: str
    records: int
    """That have this stamp and were read."""

    @classmethod
    def of(cls, text: str) -> "_Cursor":
        stamp, _, records = text.partition(" ")
        return cls(stamp, int(records or 0))

    def __str__(self) -> str:
        return f"{self.stamp} {self.records}"


class ContainerFeed:
    """What a container writes."""

    def __init__(self, settings: DockerLogs, start_at: StartAt) -> None:
        self._argv = ["docker", *(["--host", settings.host] if settings.host else [])]
        self._container, self._start_at = settings.container, start_at
        self._ended = ""
        """How the container stood when it was read to its end."""

    def follow(self, cursors: Mapping[str, str], programs: Programs) -> Iterator[list[Record]]:
        """Yield the lines behind the cursors, and those that come until the container ends."""
        try:
            standing = self._asked(programs, "inspect", "--format={{.Id}} {{.State.Running}} {{.State.StartedAt}}")
        except FeedError as error:
            if "no such" in str(error).lower() and not cursors:
                yield [Record("", "")]  # what is created from now on is new
            raise
        if standing == self._ended:
            return
        id_ = standing.partition(" ")[0]
        yield [Record(stream, None) for stream in cursors if stream and not stream.startswith(id_)]
        mine = {name: _Cursor.of(cursors.get(f"{id_}/{name}", "")) for name in ("out", "err")}
        if not cursors:
            mine = dict.fromkeys(mine, self._first(programs))
            yield [Record("", ""), *(Record(f"{id_}/{name}", str(cursor)) for name, cursor in mine.items())]
        since = min(cursor.stamp for cursor in mine.values())
        argv = [*self._argv, "logs", "--follow", "--timestamps", *(["--since", since] if since else []), id_]
        streams = {name: _Stream(f"{id_}/{name}", cursor) for name, cursor in mine.items()}
        for name, data in programs.output(argv):
            yield list(streams[name].feed(data))
        yield [record for stream in streams.values() for record in stream.feed(b"\n")]
        self._ended = standing.replace(" true ", " false ")

    def _first(self, programs: Programs) -> _Cursor:
        """Return where to begin in both streams at the first start."""
        if self._start_at == "beginning":
            return _Cursor("", 0)
        lines = self._start_at.last_lines if isinstance(self._start_at, LastLines) else 1
        argv = [*self._argv, "logs", "--timestamps", f"--tail={lines}", self._container]
        stamps = [stamp.decode().strip() for _, data in programs.output(argv) for stamp in _STAMPS.findall(data)]
        if not stamps:
            return _Cursor("", 0)
        return _Cursor(max(stamps), _ALL) if self._start_at == "end" else _Cursor(min(stamps), 0)

    def _asked(self, programs: Programs, *words: str) -> str:
        argv = [*self._argv, *words, "--type=container", self._container]
        return b"".join(data for name, data in programs.output(argv) if name == "out").decode().strip()


class _Stream:
    """One of a container's two streams."""

    def __init__(self, name: str, cursor: _Cursor) -> None:
        self._name, self._cursor = name, cursor
        self._again = cursor
        """What was read before comes first again."""
        self._left = cursor.records
        self._rest = b""

    def feed(self, data: bytes) -> Iterator[Record]:
        """Yield the lines that are complete with this."""
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > _LARGEST:
            raise FeedError("a line is too long")
        for line in lines:
            if _STAMP.match(line):  # else it is what docker itself says
                yield from self._line(line)

    def _line(self, line: bytes) -> Iterator[Record]:
        stamp, text = line[: _STAMP_SIZE - 1].decode(), _joined(line[_STAMP_SIZE:])
        if stamp < self._again.stamp:
            return
        if stamp == self._again.stamp and self._left > 0:
            self._left -= 1
            return
        count = self._cursor.records + 1 if stamp == self._cursor.stamp else 1
        self._cursor = _Cursor(stamp, count)
        yield Record(self._name, str(self._cursor), text)


def _joined(text: bytes) -> bytes:
    """Take the time stamps out that stand between the parts of a long line."""
    at = _PART
    while _STAMP.match(text, at):
        text = text[:at] + text[at + _STAMP_SIZE :]
        at += _PART
    return text
