"""Follows every log source in one thread of its own: look, commit, and only then show."""

import logging
import sqlite3
import threading
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exporters.clock import Clock
from exporters.logs.container import ContainerFeed
from exporters.logs.counts import LogCounts
from exporters.logs.engine import Engine
from exporters.logs.journal import JournalFeed
from exporters.logs.pattern import LogPattern
from exporters.logs.program import Feed, ProgramSource
from exporters.logs.settings import LogSource
from exporters.logs.source import Source
from exporters.logs.store import Change, Saved, Store
from exporters.logs.wakeup import Wakeup

POLL_SECONDS = 0.5
_GATHER_SECONDS = 0.25
"""After an event, for more of them: one look takes many lines."""


@dataclass
class _Followed:
    """A source, and what is not yet committed of it."""

    name: str
    source: Source | ProgramSource
    change: Change = field(default_factory=Change)
    said: str = ""

    def say(self, why: str) -> None:
        """Say what is wrong, once."""
        if why != self.said:
            self.said = why
            logging.getLogger(__name__).warning("log source %s: %s", self.name, why)


class Follower:
    """Looks at the sources until it is stopped."""

    def __init__(
        self,
        sources: Iterable[LogSource],
        patterns: Sequence[LogPattern],
        *,
        engine: Engine,
        store: Store,
        counts: LogCounts,
        clock: Clock,
    ) -> None:
        self._store, self._counts, self._clock = store, counts, clock
        ids = [pattern.id for pattern in patterns]
        settings = {source.name: source for source in sources}
        saved = {name: store.load(name) for name in settings}
        counts.begin(patterns, saved)
        self._followed = [_Followed(name, _source(settings[name], engine, ids, saved[name])) for name in settings]
        self._wakeup = Wakeup()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._loop, name="follow logs", daemon=True)

    def start(self) -> None:
        """Begin; the first look is taken before this returns, so that what is written from now on is seen."""
        self.look()
        self._thread.start()

    def stop(self) -> None:
        """End, with everything committed that was read."""
        self._stopping.set()
        self._wakeup.interrupt()
        if self._thread.is_alive():
            self._thread.join()
        for followed in self._followed:
            followed.source.close()
        self._wakeup.close()
        self._store.close()

    def look(self, *, flush: bool = False) -> bool:
        """Look at every source once; return whether there is more to read at once."""
        more = [self._look(followed, flush=flush) for followed in self._followed]
        return any(more)

    def _loop(self) -> None:
        """Look where something happens soon after it does, and everywhere every now and then."""
        polled, busy = -POLL_SECONDS, set[str]()
        folders: dict[str, set[Path]] = {}
        while not self._stopping.is_set():
            now = self._clock.monotonic()
            due = now - polled >= POLL_SECONDS
            polled = now if due else polled
            looked = [followed for followed in self._followed if due or followed.name in busy]
            busy = {followed.name for followed in looked if self._look(followed, flush=False)}
            if busy:
                continue
            folders |= {followed.name: set(followed.source.folders) for followed in looked}
            self._wakeup.watch(set().union(*folders.values()))
            happened = self._wakeup.wait(max(0.0, polled + POLL_SECONDS - self._clock.monotonic()))
            busy = {name for name, where in folders.items() if not happened.isdisjoint(where)}
            if busy:
                self._stopping.wait(_GATHER_SECONDS)

    def _look(self, followed: _Followed, *, flush: bool) -> bool:
        seen, samples = Change(), dict[str, list[bytes]]()
        more = False
        try:
            more = followed.source.look(self._clock.monotonic(), seen, samples, flush=flush)
        except Exception as error:  # noqa: BLE001 - one source never ends the others; what it read before that holds
            seen.totals["errors"] += 1
            followed.say(f"{type(error).__name__}: {error}")
        followed.change.add(seen)
        try:
            if followed.change:
                self._store.commit(followed.name, followed.change)
                followed.change = Change()
        except sqlite3.Error:
            # A full disk is what people want to hear of most: show the counts, keep the change, try again.
            seen.totals["errors"] += 1
            followed.change.totals["errors"] += 1
        self._counts.add(followed.name, seen, followed.source.behind, samples)
        return more


def _source(settings: LogSource, engine: Engine, ids: list[str], saved: Saved) -> Source | ProgramSource:
    feed = _feed(settings)
    return (
        Source(settings, engine, ids, saved) if feed is None else ProgramSource(settings.name, feed, engine, ids, saved)
    )


def _feed(settings: LogSource) -> Feed | None:
    if settings.journal is not None:
        return JournalFeed(settings.journal, settings.start_at)
    if settings.docker is not None:
        return ContainerFeed(settings.docker, settings.start_at)
    return None
