"""Logs are rotated, and we are killed, in the middle of a look: every line counts once."""

import itertools
import os
import tempfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from unittest import mock

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporters.logs.engines import EngineChoice, make_engine
from exporters.logs.position import Position
from exporters.logs.tail import ReplacedError, Tail
from tests.exporters.logs.interleaved import Interleaved, Step
from tests.exporters.logs.world import HIT, PATTERNS, World

Moment = int
Event = tuple[str, list[Moment]]


class KilledError(BaseException):
    """We are killed at this moment."""


STEPS = {
    "write": ["write"],
    "rename": ["shift", "rename", "reopen"],
    "rename, noticed late": ["shift", "rename", "write", "reopen"],
    "copytruncate": ["shift", "begin_copy", "copy_half", "copy_rest", "truncate"],
    "kill": ["kill"],
    "wait": ["wait"],
}
"""The steps of each event."""


class Life:
    """What happens to a log, and to us."""

    def __init__(self, world: World) -> None:
        self.w = world
        self.w.write(2)
        self.writer = self.w.file().open("ab", buffering=0)

    def close(self) -> None:
        self.writer.close()
        self.w.kill()

    def write(self) -> None:
        self.w.write(2, to=self.writer)

    def reopen(self) -> None:
        self.writer.close()
        self.writer = self.w.file().open("ab", buffering=0)

    def shift(self) -> None:
        generations = {int(path.name.rpartition(".")[2]): path for path in self.w.folder.glob("app.log.*")}
        for number in sorted(generations, reverse=True):
            generations[number].rename(self.w.file(f"app.log.{number + 1}"))

    def rename(self) -> None:
        self.w.file().rename(self.w.file("app.log.1"))

    def begin_copy(self) -> None:
        self.copy = self.w.file("app.log.1")
        self.copy.touch()

    def copy_half(self) -> None:
        data = self.w.file().read_bytes()
        self.copy.write_bytes(data[: len(data) // 2])

    def copy_rest(self) -> None:
        self.copy.write_bytes(self.w.file().read_bytes())

    def truncate(self) -> None:
        os.truncate(self.w.file(), 0)

    def kill(self) -> None:
        raise KilledError

    def wait(self) -> None:
        self.w.now += 40


def moments(event: str) -> st.SearchStrategy[Event]:
    """Draw how long after the one before each step of an event comes: at once, in the same look, in a later one."""
    after = st.one_of(st.just(0), st.integers(0, 12), st.integers(0, 80))
    count = len(STEPS[event])
    return st.tuples(st.just(event), st.lists(after, min_size=count, max_size=count))


HISTORIES = st.lists(st.sampled_from([*STEPS, "write", "copytruncate"]).flatmap(moments), min_size=1, max_size=10)


@settings(max_examples=int(os.environ.get("HISTORIES", "300")), deadline=None, suppress_health_check=list(HealthCheck))
@given(path=st.sampled_from(["app.log", "app.log*", "*"]), history=HISTORIES)
def test_every_line_counts_once_whatever_happens_during_a_look(path: str, history: list[Event]) -> None:
    live(path, history)


@pytest.mark.slow
@pytest.mark.parametrize(
    "history",
    [
        # The generations are renamed while the rest of what was emptied is looked for in them.
        lambda one, other: [("copytruncate", [0, 0, 0, 0, 0]), ("rename", [one, 0, other])],
        # A new log is copied before it was seen itself.
        lambda one, other: [("rename", [0, 0, one]), ("write", [0]), ("copytruncate", [0, 0, 0, other, 0])],
        # A log is emptied before it was read, and after its copy was seen.
        lambda one, other: [("rename", [0, 0, 0]), ("write", [one]), ("copytruncate", [0, 0, 0, 0, other])],
        # A copy begins to be filled while it is found empty.
        lambda one, other: [("kill", [0]), ("copytruncate", [0, 0, one, 0, other])],
    ],
    ids=["renamed", "unseen", "unread", "begun"],
)
def test_every_line_counts_once_at_any_two_moments(history: Callable[[Moment, Moment], list[Event]]) -> None:
    for one, other in itertools.product(range(0, 60, 2), range(0, 60, 3)):
        live("app.log", history(one, other))


def live(path: str, history: list[Event]) -> None:
    """Look at a log while all of this happens to it; every line must count once."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(World(Path(folder), path))
        life.w.look()
        steps = [
            Step(getattr(life, name), after)
            for event, moments in history
            for name, after in zip(STEPS[event], moments, strict=True)
        ]
        try:
            with Interleaved(steps) as running:
                while running.steps:
                    try:
                        life.w.look()
                    except KilledError:
                        life.w.kill()
            life.w.settle()
            life.w.settle()
            assert life.w.counted() == life.w.written, history
        finally:
            life.close()


def test_what_is_read_in_one_go_was_in_the_file_at_one_moment(tmp_path: Path) -> None:
    old, new = (
        b"".join(b"%d %s %s\n" % (n, word, HIT.encode()) for n in range(n)) for word, n in [(b"old", 3), (b"new", 7)]
    )
    engine, ids = make_engine(PATTERNS, EngineChoice.RE), [pattern.id for pattern in PATTERNS]
    log = tmp_path / "app.log"
    read = set()
    for filled, replaced in itertools.product(range(20), repeat=2):
        log.write_bytes(b"")
        tail = Tail(log, os.open(log, os.O_RDONLY), Position())
        steps = [Step(lambda: log.write_bytes(old), filled), Step(lambda: log.write_bytes(new), replaced)]
        with Interleaved(steps) as running, suppress(ReplacedError):
            found = tail.read(engine, ids, settle=False)
            running.steps.clear()
            if found.position.holds(tail.fd):  # if not, the next reading finds that out
                there = log.read_bytes()[: found.position.offset]
                assert found.lines["disk_full"] == there.count(HIT.encode()), (filled, replaced)
                read.add(there)
        tail.close()
    assert read == {b"", old, new}


def test_nothing_is_behind_in_a_log_that_was_emptied(tmp_path: Path) -> None:
    log = tmp_path / "app.log"
    log.write_bytes(b"a line without an end")
    tail = Tail(log, os.open(log, os.O_RDONLY), Position())
    engine = make_engine(PATTERNS, EngineChoice.RE)
    tail.read(engine, ["disk_full"], settle=False)
    assert tail.behind == 21
    log.write_bytes(b"")
    tail.position = Position()
    assert not tail.read(engine, ["disk_full"], settle=False).more
    assert tail.behind == 0
    tail.close()


Rotation = Callable[[World, str], None]


def rename(w: World, log: str) -> None:
    w.file(log).rename(w.file(f"{log}.1"))


def copytruncate(w: World, log: str) -> None:
    w.copytruncate(log, f"{log}.1")


@pytest.mark.parametrize("rotate", [rename, copytruncate])
@pytest.mark.parametrize("away", [False, True], ids=["running", "away"])
def test_a_folder_is_not_read_for_each_of_its_logs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rotate: Rotation, away: bool
) -> None:
    read = mock.Mock(wraps=os.scandir)
    monkeypatch.setattr(os, "scandir", read)
    w = World(tmp_path, "*.log")
    logs = [f"{number}.log" for number in range(50)]
    for log in logs:
        w.write(1, log)
    w.look()
    if away:
        w.kill()
    for log in logs:
        w.write(1, log)
        rotate(w, log)
        w.write(1, log)
    w.settle()
    assert w.counted() == w.written
    assert read.call_count < len(logs)
    w.kill()


def test_generations_that_came_while_we_were_away_are_begun_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = World(tmp_path)
    w.write(1)
    w.look()
    w.kill()
    for day in range(1, 31):
        w.write(1)
        w.file().rename(w.file(f"app.log-202611{day:02}"))
    w.write(1)
    read = mock.Mock(wraps=os.scandir)
    monkeypatch.setattr(os, "scandir", read)
    w.settle()
    assert w.counted() == w.written
    assert read.call_count < 30
    w.kill()
