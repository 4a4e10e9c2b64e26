"""A small world for the tailer: log files, a clock that is moved by hand, and an exporter that can be killed."""

import os
import shutil
from itertools import count
from pathlib import Path
from typing import IO

from exporters.logs.engines import EngineChoice, make_engine
from exporters.logs.pattern import LogPattern
from exporters.logs.settings import LogSource
from exporters.logs.source import Source
from exporters.logs.store import Change, Store

HIT = "No space left on device"
PATTERNS = [LogPattern(id="disk_full", name="Disk full", regex="no space left", severity="critical")]


class World:
    """One source and what writes to it. Every line has a number, so no two are alike."""

    def __init__(
        self, folder: Path, path: str = "app.log", start_at: object = "beginning", exclude: tuple[str, ...] = ()
    ) -> None:
        self.folder = folder / "logs"
        self.folder.mkdir()
        self.state = folder / "state.db"
        self.settings = LogSource(
            name="app",
            path=str(self.folder / path),
            start_at=start_at,  # type: ignore[arg-type]
            exclude=[str(self.folder / each) for each in exclude],
        )
        self.now = 1000.0
        self.written = 0
        self._numbers = count(1)
        self._store: Store | None = None
        self._source: Source | None = None

    # what happens to the files

    def file(self, name: str = "app.log") -> Path:
        return self.folder / name

    def write(self, lines: int = 1, name: str = "app.log", to: IO[bytes] | None = None) -> None:
        """Append lines that match, and as many that do not."""
        text = "".join(f"{next(self._numbers)} {HIT}\n{next(self._numbers)} all is well\n" for _ in range(lines))
        self.raw(text.encode(), name, to)
        self.written += lines

    def raw(self, data: bytes, name: str = "app.log", to: IO[bytes] | None = None) -> None:
        if to is not None:
            to.write(data)
            to.flush()
            return
        with self.file(name).open("ab") as file:
            file.write(data)

    def copytruncate(self, name: str = "app.log", to: str = "app.log.1") -> None:
        shutil.copyfile(self.file(name), self.file(to))
        os.truncate(self.file(name), 0)

    # the exporter

    def start(self) -> None:
        self._store = Store(self.state)
        engine = make_engine(PATTERNS, EngineChoice.RE)
        self._source = Source(self.settings, engine, [p.id for p in PATTERNS], self._store.load("app"))

    def look(self, *, flush: bool = False) -> None:
        """Look until there is nothing more to read at once."""
        if self._source is None or self._store is None:
            self.start()
        assert self._source is not None
        assert self._store is not None
        for _ in range(100):
            change = Change()
            more = self._source.look(self.now, change, {}, flush=flush)
            if change:
                self._store.commit("app", change)
            if not more:
                return
        raise AssertionError("it never comes to an end")

    def look_without_commit(self) -> None:
        """What a kill between reading and committing leaves: nothing."""
        if self._source is None:
            self.start()
        assert self._source is not None
        self._source.look(self.now, Change(), {})
        self.kill()

    def settle(self, seconds: float = 5.0) -> None:
        """Let time pass with looks in between, as when nothing more is written."""
        self.look()
        self.now += seconds
        self.look()

    def kill(self) -> None:
        """End the exporter; what it has not committed is gone."""
        if self._source is not None:
            self._source.close()
        if self._store is not None:
            self._store.close()
        self._source = self._store = None

    def counted(self, what: str = "disk_full") -> int:
        running = self._store is not None
        store = self._store or Store(self.state)
        try:
            saved = store.load("app")
        finally:
            if not running:
                store.close()
        return saved.lines.get(what, 0) or saved.totals.get(what, 0)
