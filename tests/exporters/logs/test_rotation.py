"""Every way in which logs are rotated: no line is lost, none is counted twice. Each also with the exporter killed."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exporters.logs.world import HIT, World

Story = Callable[[World], None]


def rename_and_create(w: World) -> None:
    w.write(3)
    w.look()
    w.write(2)
    w.file().rename(w.file("app.log.1"))
    w.write(4)
    w.look()


def writer_still_on_the_old_file(w: World) -> None:
    with w.file().open("ab") as old:
        w.write(3, to=old)
        w.look()
        w.file().rename(w.file("app.log.1"))
        w.write(2)
        w.look()
        w.write(5, to=old)
        w.look()
        w.now += 120
        w.write(1, to=old)
        w.look()


def created_late(w: World) -> None:
    w.write(3)
    w.look()
    w.write(1)
    w.file().rename(w.file("app.log.1"))
    w.look()
    w.now += 60
    w.look()
    w.write(2)
    w.look()


def rotated_twice_between_two_looks(w: World) -> None:
    w.write(3)
    w.look()
    w.write(1)
    w.file().rename(w.file("app.log.1"))
    w.write(2)
    w.file("app.log.1").rename(w.file("app.log.2"))
    w.file().rename(w.file("app.log.1"))
    w.write(4)
    w.look()


def dated_generations(w: World) -> None:
    w.write(3)
    w.look()
    for day in range(20261119, 20261121):
        w.write(1)
        w.file().rename(w.file(f"app.log-{day}"))
    w.write(2)
    w.look()


def copytruncate_refilled_smaller(w: World) -> None:
    w.write(9)
    w.look()
    w.copytruncate()
    w.write(2)
    w.look()


def copytruncate_refilled_larger(w: World) -> None:
    w.write(2)
    w.look()
    w.copytruncate()
    w.write(9)
    w.look()


def copytruncate_refilled_to_the_same_size(w: World) -> None:
    w.raw(b"1 No space left\n")
    w.look()
    w.copytruncate()
    w.raw(b"2 No space left\n")
    w.written += 2
    os.utime(w.file(), ns=(1, 1))
    w.look()


def copytruncate_seen_at_its_first_moment(w: World) -> None:
    w.write(5)
    w.look()
    w.file("app.log.1").touch()
    w.kill()
    w.look()
    shutil.copyfile(w.file(), w.file("app.log.1"))
    w.look()
    os.truncate(w.file(), 0)
    w.write(2)
    w.look()


def empty_generation_that_a_writer_still_has(w: World) -> None:
    w.write(2)
    w.look()
    with w.file("app.log.1").open("ab") as old:
        w.kill()
        w.look()
        w.write(3, to=old)
        w.look()
        w.write(2, to=old)
        w.write(1)
        w.look()


def copytruncate_with_lines_not_yet_read(w: World) -> None:
    w.write(3)
    w.look()
    w.write(4)
    w.copytruncate()
    w.write(2)
    w.look()


def put_back_after_it_was_let_go_and_emptied(w: World) -> None:
    w.write(3)
    w.file().rename(w.file("app.log.2"))
    w.write(2)
    w.look()
    w.now += 4000
    w.settle()
    w.file().rename(w.file("app.log.3"))
    w.file("app.log.2").rename(w.file())
    w.write(2)
    w.copytruncate()
    w.write(5)
    w.look()


def copytruncate_twice(w: World) -> None:
    w.write(3)
    w.look()
    w.write(4)
    w.copytruncate()
    w.write(5)
    w.file("app.log.1").rename(w.file("app.log.2"))
    w.copytruncate()
    w.write(2)
    w.look()


def copytruncate_of_what_was_never_read(w: World) -> None:
    w.file().touch()
    w.look()
    w.write(3)
    w.copytruncate()
    w.write(1)
    w.look()


def writer_keeps_its_place_over_a_truncation(w: World) -> None:
    with w.file().open("wb") as writer:  # without O_APPEND: it goes on behind a hole
        w.write(500, to=writer)
        w.look()
        os.truncate(w.file(), 0)
        w.write(2, to=writer)
        w.look()


def deleted_and_created(w: World) -> None:
    w.write(3)
    w.look()
    w.file().unlink()
    w.write(2)
    w.look()


def deleted_with_a_writer(w: World) -> None:
    with w.file().open("ab") as old:
        w.write(3, to=old)
        w.look()
        w.file().unlink()
        w.write(2, to=old)
        w.look()
        w.now += 20
        w.write(2, to=old)
        w.look()
        w.settle(60)


def compressed_at_once(w: World) -> None:
    w.write(3)
    w.look()
    w.write(1)
    w.file().rename(w.file("app.log.1"))
    w.look()
    shutil.make_archive(str(w.file("app.log.1")), "gztar", w.folder, "app.log.1")
    w.file("app.log.1").unlink()
    w.write(2)
    w.look()


def line_split_over_looks(w: World) -> None:
    w.raw(b"1 No space")
    w.look()
    w.raw(b" left on device\n")
    w.written += 1
    w.look()


def unfinished_line_tried_and_then_finished(w: World) -> None:
    w.raw(f"1 {HIT}".encode())
    w.written += 1
    w.settle()
    assert w.counted() == 1, "a last line without newline counts after a moment"
    w.raw(b" and more\n")
    w.settle()
    w.write(1)


def unfinished_line_at_rotation(w: World) -> None:
    w.write(1)
    w.raw(f"1 {HIT}".encode())
    w.written += 1
    w.look()
    w.file().rename(w.file("app.log.1"))
    w.write(2)
    w.look()


def unfinished_line_counted_then_copytruncated(w: World) -> None:
    w.raw(f"1 {HIT}".encode())
    w.written += 1
    w.settle()
    w.raw(b" and more\n")
    w.write(1)
    w.copytruncate()
    w.write(1)
    w.look()


def long_lines(w: World) -> None:
    w.look()
    for size in (255 * 1024, 256 * 1024, 300 * 1024, 1024 * 1024 - len(HIT)):
        w.raw(b"x" * size + HIT.encode() + b"\n")
        w.written += 1
        w.look()


def line_beyond_the_limit(w: World) -> None:
    w.raw(HIT.encode() + b"x" * 3_000_000 + HIT.encode() + b"\n")
    w.written += 1
    w.write(1)
    w.look()
    assert w.counted("cut_lines") == 1


def bytes_that_are_no_text(w: World) -> None:
    w.raw(b"\0\0\xff\xfe " + HIT.encode() + b" \xc3\x28\0\n")
    w.written += 1
    w.look()


def our_own_lines(w: World) -> None:
    w.raw(f"Nov 21 10:00:00 host remedy[812]: {HIT}\nremedy exporter: {HIT}\n".encode())
    w.raw(f"1 no remedy for this: {HIT}\n".encode())
    w.written += 1
    w.look()


STORIES: list[Story] = [
    our_own_lines,
    rename_and_create,
    writer_still_on_the_old_file,
    created_late,
    rotated_twice_between_two_looks,
    dated_generations,
    copytruncate_refilled_smaller,
    copytruncate_refilled_larger,
    copytruncate_refilled_to_the_same_size,
    copytruncate_seen_at_its_first_moment,
    empty_generation_that_a_writer_still_has,
    copytruncate_with_lines_not_yet_read,
    copytruncate_twice,
    put_back_after_it_was_let_go_and_emptied,
    copytruncate_of_what_was_never_read,
    writer_keeps_its_place_over_a_truncation,
    deleted_and_created,
    deleted_with_a_writer,
    compressed_at_once,
    line_split_over_looks,
    unfinished_line_tried_and_then_finished,
    unfinished_line_at_rotation,
    unfinished_line_counted_then_copytruncated,
    long_lines,
    line_beyond_the_limit,
    bytes_that_are_no_text,
]
ANY_TIME = [story for story in STORIES if story is not deleted_with_a_writer]
"""What is deleted while nobody holds it is out of reach for anyone."""


class Killed(World):
    """A world in which every look is the only one of its process, and some processes are killed before they commit."""

    def look(self, *, flush: bool = False) -> None:
        self.look_without_commit()
        super().look(flush=flush)
        self.kill()

    def settle(self, seconds: float = 5.0) -> None:
        World.look(self)
        self.now += seconds
        World.look(self)
        self.kill()


@pytest.fixture(params=["app.log", "app.log*"])
def path(request: pytest.FixtureRequest) -> str:
    """Return the source's path: the log itself, and a glob that names its old generations too."""
    return str(request.param)


@pytest.fixture
def world(tmp_path: Path, path: str) -> Iterator[World]:
    w = World(tmp_path, path)
    w.look()
    yield w
    w.kill()


@pytest.fixture
def killed(tmp_path: Path, path: str) -> Killed:
    w = Killed(tmp_path, path)
    w.look()
    return w


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_every_line_counts_once(world: World, story: Story) -> None:
    story(world)
    world.settle()
    assert world.counted() == world.written


@pytest.mark.parametrize("story", ANY_TIME, ids=lambda story: story.__name__)
def test_every_line_counts_once_over_kills(killed: Killed, story: Story) -> None:
    story(killed)
    killed.settle()
    assert killed.counted() == killed.written
