"""A log that another program shows: journalctl, docker. It is run, read, and run again from where it was when it ends.

A thread reads ahead, a little; what it read is counted, and its cursors are committed, in the follower's look. So what
was read and not committed is shown again by the next run.
"""

import logging
import os
import selectors
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Full, Queue
from typing import Protocol

from exporters.logs.engine import Engine
from exporters.logs.redaction import MOST_BYTES, shown
from exporters.logs.store import Change, Saved

LONGEST_LINE = 1024 * 1024
_AGAIN_SECONDS = 2.0
"""Before a program that has ended is run again."""
_FIRST_SECONDS = 5.0
"""How long the first look waits for the program to say where the log ends now."""
_AHEAD = 64
"""Batches that are read ahead."""
_BATCHES = 16
"""Batches that are counted in one look."""
_CHUNK = 64 * 1024
_SAMPLES = 5


class FeedError(Exception):
    """A program cannot show the log, now; the message says why."""


@dataclass(frozen=True)
class Record:
    """Something that a program showed."""

    stream: str
    """Which of the log's streams it belongs to; each has a cursor of its own."""
    cursor: str | None
    """Where that stream is read to with this; None: it is gone."""
    text: bytes | None = None
    """One message, of one or more lines; None: it is only said where we are."""


class Programs:
    """Runs one program at a time, and ends it when it is told to stop."""

    def __init__(self) -> None:
        self.stopping = threading.Event()
        self._lock = threading.Lock()
        self._running: subprocess.Popen[bytes] | None = None

    def output(self, argv: Sequence[str]) -> Iterator[tuple[str, bytes]]:
        """Run a program, and yield what it writes as it comes: ("out" or "err", bytes).

        Raises:
            FeedError: it cannot be run, or failed; then what it said last on "err" tells why.
        """
        last = b""
        with self._started(argv) as process:
            try:
                for name, data in _read(process):
                    last = data if name == "err" else last
                    yield name, data
                code = process.wait()
            finally:
                process.kill()
        if code and not self.stopping.is_set():
            said = last.decode("utf-8", "replace").strip().splitlines() or [f"exited {code}"]
            raise FeedError(f"{argv[0]}: {said[-1]}")

    def _started(self, argv: Sequence[str]) -> subprocess.Popen[bytes]:
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        with self._lock:
            if self.stopping.is_set():
                raise FeedError("stopping")
            try:
                self._running = subprocess.Popen(argv, stdin=nothing, stdout=pipe, stderr=pipe, start_new_session=True)
            except OSError as error:
                raise FeedError(f"{argv[0]}: {error.strerror}") from None
            return self._running

    def stop(self) -> None:
        """End what runs, and run nothing any more."""
        with self._lock:
            self.stopping.set()
            if self._running is not None:
                self._running.kill()


class Feed(Protocol):
    """A log behind a program."""

    def follow(self, cursors: Mapping[str, str], programs: Programs) -> Iterator[list[Record]]:
        """Yield what the log holds behind the cursors, and what comes; return when the program ends.

        Without cursors, this is the first start; then the first record says where it is.

        Raises:
            FeedError: it cannot be had.
        """


class ProgramSource:
    """Follows what a feed yields; each look fills a `Change`, which the caller commits."""

    behind = 0
    folders: frozenset[Path] = frozenset()

    def __init__(self, name: str, feed: Feed, engine: Engine, ids: list[str], saved: Saved) -> None:
        self._name, self._feed, self._engine, self._ids = name, feed, engine, ids
        self._said = ""
        self._cursors = dict(saved.cursors)
        self._programs = Programs()
        self._batches: Queue[list[Record] | FeedError] = Queue(_AHEAD)
        self._settled = threading.Event()
        self._thread = threading.Thread(target=self._read_ahead, name="read a program", daemon=True)

    def close(self) -> None:
        """End the program."""
        self._programs.stop()
        if self._thread.ident is not None:
            self._thread.join()

    def look(self, now: float, change: Change, samples: dict[str, list[bytes]], *, flush: bool = False) -> bool:
        """Count what has come; return whether there is more to count at once."""
        del now, flush
        if self._thread.ident is None:
            self._thread.start()
            self._settled.wait(_FIRST_SECONDS)
        texts: list[bytes] = []
        for _ in range(_BATCHES):
            try:
                batch = self._batches.get_nowait()
            except Empty:
                break
            if isinstance(batch, FeedError):
                change.totals["errors"] += 1
                continue
            for record in batch:
                change.cursors[record.stream] = record.cursor
                if record.text is not None:
                    texts.append(record.text)
        self._count(texts, change, samples)
        return not self._batches.empty()

    def _count(self, texts: list[bytes], change: Change, samples: dict[str, list[bytes]]) -> None:
        if not texts:
            return
        change.totals["read_bytes"] += sum(map(len, texts))
        change.totals["cut_lines"] += sum(len(text) > LONGEST_LINE for text in texts)
        block = b"\n".join(text[:LONGEST_LINE] for text in texts)
        for index, spans in self._engine.scan(block).items():
            pattern = self._ids[index]
            change.lines[pattern] += len(spans)
            last = (block[start : min(end, start + MOST_BYTES)] for start, end in spans[-_SAMPLES:])
            samples.setdefault(pattern, []).extend(last)

    def _read_ahead(self) -> None:
        stopping = self._programs.stopping
        while not stopping.is_set():
            try:
                for batch in self._feed.follow(dict(self._cursors), self._programs):
                    self._remember(batch)
                    self._put(batch)
                    self._settled.set()
            except FeedError as error:
                self._say(shown(str(error).encode()))
                self._put(error)
            self._settled.set()
            stopping.wait(_AGAIN_SECONDS)

    def _say(self, why: str) -> None:
        """Say what is wrong, once."""
        if why != self._said and not self._programs.stopping.is_set():
            self._said = why
            logging.getLogger(__name__).warning("log source %s: %s", self._name, why)

    def _remember(self, batch: list[Record]) -> None:
        """Go on from here when the program has to be run again."""
        for record in batch:
            if record.cursor is None:
                self._cursors.pop(record.stream, None)
            else:
                self._cursors[record.stream] = record.cursor

    def _put(self, batch: list[Record] | FeedError) -> None:
        while not self._programs.stopping.is_set():
            with suppress(Full):
                self._batches.put(batch, timeout=0.2)
                return


def _read(process: subprocess.Popen[bytes]) -> Iterator[tuple[str, bytes]]:
    with selectors.DefaultSelector() as ready:
        for name, pipe in (("out", process.stdout), ("err", process.stderr)):
            if pipe is not None:
                ready.register(pipe, selectors.EVENT_READ, name)
        while ready.get_map():
            for key, _ in ready.select():
                data = os.read(key.fd, _CHUNK)
                if data:
                    yield key.data, data
                else:
                    ready.unregister(key.fileobj)
