"""Any history of writing, rotating, looking and killing: hypothesis makes them up, every line still counts once."""

import os
import tempfile
from pathlib import Path
from typing import IO

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.exporters.logs.world import HIT, World


class AnyHistory(RuleBasedStateMachine):
    """A log with one writer and logrotate in every one of its ways, and an exporter that comes and goes."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.writer: IO[bytes] | None = None
        self.part = False

    @initialize(path=st.sampled_from(["app.log", "app.log*", "*"]))
    def begin(self, path: str) -> None:
        self.w = World(Path(self.folder.name), path)
        self.w.look()
        self.reopen()

    def reopen(self) -> None:
        if self.writer:
            self.part = self.part and self.w.file().exists() and self.writes_to(self.w.file())
            self.writer.close()
        self.writer = self.w.file().open("ab", buffering=0)

    @rule(lines=st.integers(1, 40))
    def write(self, lines: int) -> None:
        self.finish_the_part()
        self.w.write(lines, to=self.writer)

    @rule()
    def write_a_part(self) -> None:
        if not self.part:
            self.w.written += 1
            self.w.raw(f"part {self.w.written} {HIT}".encode(), to=self.writer)
            self.part = True

    @rule()
    def finish_the_part(self) -> None:
        if self.part:
            self.w.raw(b" and more\n", to=self.writer)
            self.part = False

    @rule()
    def look(self) -> None:
        self.w.look()

    @rule(seconds=st.sampled_from([0.4, 2.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.w.now += seconds

    @rule()
    def kill(self) -> None:
        self.w.kill()

    @rule()
    def kill_before_commit(self) -> None:
        self.w.look_without_commit()

    @rule(at_once=st.booleans())
    def rename(self, at_once: bool) -> None:
        self.shift()
        self.w.file().rename(self.w.file("app.log.1"))
        if at_once:
            self.reopen()

    @rule()
    def copytruncate(self) -> None:
        self.shift()
        self.w.copytruncate()
        if self.writes_to(self.w.file()):
            self.part = False

    @rule()
    def delete_the_oldest(self) -> None:
        """Once it is read to its end: what nobody has read and nobody holds is out of reach."""
        oldest = self.generations()[-1:]
        if oldest and not self.writes_to(oldest[0]):
            self.w.settle()
            oldest[0].unlink()

    @rule()
    def the_writer_notices(self) -> None:
        self.reopen()

    def shift(self) -> None:
        """Make room for a new first generation, as logrotate does."""
        self.w.file().touch()
        for path in reversed(self.generations()):
            number = int(path.name.rpartition(".")[2])
            path.rename(self.w.file(f"app.log.{number + 1}"))

    def generations(self) -> list[Path]:
        found = self.w.folder.glob("app.log.*")
        return sorted(found, key=lambda path: int(path.name.rpartition(".")[2]))

    def writes_to(self, path: Path) -> bool:
        assert self.writer is not None
        return path.stat().st_ino == os.fstat(self.writer.fileno()).st_ino

    @invariant()
    def never_too_many(self) -> None:
        if self.writer:
            assert self.w.counted() <= self.w.written

    def teardown(self) -> None:
        try:
            if self.writer:
                self.w.settle()
                self.w.settle()
                assert self.w.counted() == self.w.written
        finally:
            if self.writer:
                self.writer.close()
                self.w.kill()
            self.folder.cleanup()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=int(os.environ.get("HISTORIES", "40")),
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
