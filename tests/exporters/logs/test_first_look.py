"""Where reading begins: at the first start, for what comes later, through links, and for what cannot be read."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exporters.logs.world import HIT, World

Make = Callable[..., World]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    worlds: list[World] = []

    def made(path: str = "app.log", start_at: Any = "end", exclude: tuple[str, ...] = ()) -> World:
        worlds.append(World(tmp_path, path, start_at, exclude))
        return worlds[-1]

    yield made
    for w in worlds:
        w.kill()


@pytest.mark.parametrize(
    ("start_at", "counted"),
    [("end", 0), ("beginning", 100), ({"last_lines": 1}, 0), ({"last_lines": 2}, 1), ({"last_lines": 21}, 10)],
)  # fmt: skip
def test_first_start(make: Make, start_at: object, counted: int) -> None:
    """Every other line matches, the last one does not."""
    w = make(start_at=start_at)
    w.write(100)
    w.settle()
    assert w.counted() == counted
    w.kill()
    w.write(3)
    w.settle()
    assert w.counted() == counted + 3, "it is the first start only once"


def test_more_last_lines_than_there_are(make: Make) -> None:
    w = make(start_at={"last_lines": 100_000})
    w.write(5000)
    w.settle()
    assert w.counted() == 5000


def test_an_unfinished_line_at_the_first_start_is_old(make: Make) -> None:
    w = make()
    w.raw(f"1 {HIT}".encode())
    w.settle()
    w.raw(b" and more\n")
    w.write(1)
    w.settle()
    assert w.counted() == 1


def test_what_comes_later_is_read_from_its_beginning(make: Make) -> None:
    w = make("*.log")
    w.write(3, "old.log")
    w.look()
    w.write(3, "new.log")
    w.write(1, "old.log")
    w.look()
    w.kill()
    w.write(2, "newer.log")
    w.settle()
    assert w.counted() == 6


def test_a_log_that_comes_while_we_are_down_is_new(make: Make) -> None:
    w = make()
    w.look()
    w.kill()
    w.write(2)
    w.settle()
    assert w.counted() == 2


def test_logs_that_look_alike_are_not_taken_for_each_other(make: Make) -> None:
    """Workers that begin with the same line, under names that look like generations."""
    w = make("app*.log")
    w.look()
    for name in ("app.log", "app-1.log", "app-2.log"):
        w.raw(b"started\n", name)
        w.settle()
    for name in ("app.log", "app-1.log", "app-2.log"):
        w.write(2, name)
    w.settle()
    assert w.counted() == 6


def test_old_generations_are_not_read(make: Make) -> None:
    w = make()
    w.write(5, "app.log.2")
    w.write(5, "app.log.1")
    w.look()
    w.write(1)
    w.look()
    w.file("app.log.2").rename(w.file("app.log.3"))
    w.file("app.log.1").rename(w.file("app.log.2"))
    w.file().rename(w.file("app.log.1"))
    w.write(2)
    w.look()
    w.kill()
    w.settle()
    assert w.counted() == 3


def test_a_link_that_is_switched_and_switched_back(make: Make) -> None:
    w = make("current")
    w.write(1, "one.log")
    w.file("current").symlink_to("one.log")
    w.look()
    w.write(2, "one.log")
    _switch(w, "two.log")
    w.write(3, "two.log")
    w.look()
    w.write(1, "one.log")
    w.look()
    _switch(w, "one.log")
    w.write(1, "one.log")
    w.look()
    w.kill()
    w.write(1, "one.log")
    w.settle()
    assert w.counted() == 2 + 3 + 1 + 1 + 1


def test_a_link_that_is_switched_from_what_was_empty_while_we_are_down(make: Make) -> None:
    w = make("current")
    w.file("one.log").touch()
    w.file("current").symlink_to("one.log")
    w.look()
    w.kill()
    w.write(3, "one.log")
    _switch(w, "two.log")
    w.write(2, "two.log")
    w.settle()
    assert w.counted() == 5


def _switch(w: World, to: str) -> None:
    w.file("new").symlink_to(to)
    w.file("new").rename(w.file("current"))


def test_an_inode_that_is_reused(make: Make) -> None:
    """Deleted and created anew while we were down, often enough that a file system gives the same number again."""
    w = make()
    w.write(50)
    w.look()
    before, reused = w.counted(), 0
    for _ in range(20):
        inode = w.file().stat().st_ino
        w.kill()
        w.file().unlink()
        w.write(60)
        reused += w.file().stat().st_ino == inode
        before += 60
        w.settle()
        assert w.counted() == before
    if not reused:
        pytest.skip("this file system gave no number twice")


def test_what_cannot_be_read_is_tried_again(make: Make) -> None:
    w = make()
    w.file().mkdir()
    w.look()
    w.look()
    assert w.counted("errors") >= 2
    w.file().rmdir()
    w.write(2)
    w.look()
    assert w.counted() == 2


def test_a_fifo_does_not_hang_us(make: Make) -> None:
    w = make()
    os.mkfifo(w.file())
    w.look()
    assert w.counted("errors") >= 1


def test_what_is_excluded_is_left_alone(make: Make) -> None:
    w = make("*.log", "beginning", exclude=("debug*",))
    w.write(1)
    w.write(2, "debug.log")
    w.look()
    w.file("debug.log").rename(w.file("debug.log.1"))
    w.file().rename(w.file("app.log.1"))
    w.write(3)
    w.write(4, "debug-2.log")
    w.settle()
    assert w.counted() == 4


OUR_LINES = [
    f"2026-11-21T10:00:00Z run 7 free-disk (DiskFull): the step failed: {HIT}",
    f"2026-11-21 10:00:00 - AutoFixDaemon - [WARNING] - {HIT}",
    f'{{"timestamp": "x", "severity": "error", "message": "{HIT}", "action": "failed", "description": "{HIT}"}}',
]


@pytest.mark.parametrize("line", OUR_LINES)
@pytest.mark.parametrize("name", ["auto_fix.log", "alerts.log", "auto_fix.log.1"])
def test_what_bridge_and_run_write_for_people_is_no_log(
    make: Make, name: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    w = make("*.log*", "beginning")
    w.file(name).touch()
    w.look()
    w.raw(f"{line}\n{HIT}\n".encode(), name)
    w.write(2)
    w.look()
    w.raw(f"{line}\n{HIT}\n".encode(), name)
    w.kill()
    w.settle()
    assert w.counted() == 2
    assert "what we write ourselves" in caplog.text


def test_logs_of_others_with_such_a_name_are_read(make: Make) -> None:
    w = make("*.log", "beginning")
    w.raw(f"{HIT}\n2026-11-21T10:00:00Z run 7 batch: {HIT}\n".encode(), "alerts.log")
    w.raw(f"2026-11-21T10:00:00Z run 7 batch: {HIT}\n".encode(), "batch.log")
    w.settle()
    assert w.counted() == 3


def test_compressed_generations_are_left_alone(make: Make) -> None:
    w = make("app.log*", "beginning")
    w.raw(f"{HIT}\n".encode(), "app.log.2.gz")
    w.write(1)
    w.look()
    w.raw(f"{HIT}\n".encode(), "app.log.1.gz")
    w.look()
    assert w.counted() == 1


def test_what_happened_is_counted_too(make: Make) -> None:
    w = make("app.log", "beginning")
    w.write(2)
    w.look()
    w.file().rename(w.file("app.log.1"))
    w.write(2)
    w.look()
    w.copytruncate(to="app.log.2")
    w.write(1)
    w.settle()
    assert (w.counted("rotations"), w.counted("truncations"), w.counted("errors")) == (1, 1, 0)
    assert w.counted("read_bytes") == sum(w.file(name).stat().st_size for name in ("app.log", "app.log.1", "app.log.2"))
