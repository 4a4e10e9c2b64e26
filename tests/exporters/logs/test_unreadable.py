"""What cannot be read now, or is not there for a while, is neither forgotten nor counted twice when it is back."""

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from exporters.logs.counts import LogCounts
from exporters.logs.engines import make_engine
from exporters.logs.follower import Follower
from exporters.logs.settings import LogSource
from exporters.logs.store import Store
from tests.exporters.logs.world import PATTERNS, World

Story = Callable[[World], None]
_NOBODY = 65534


def unreadable_at_the_first_look(w: World) -> None:
    w.write(3)
    w.file().chmod(0)
    w.look()
    w.file().chmod(0o600)


def unreadable_when_we_come_back(w: World) -> None:
    w.write(3)
    w.look()
    w.kill()
    w.write(4)
    w.file().chmod(0)
    w.look()
    w.look()
    w.file().chmod(0o600)


def unreadable_when_we_come_back_and_then_rotated(w: World) -> None:
    unreadable_when_we_come_back(w)
    w.kill()
    w.write(2)
    w.file().chmod(0)
    w.look()
    w.file().rename(w.file("app.log.1"))
    w.write(5)
    w.look()
    w.file("app.log.1").chmod(0o600)


def new_one_unreadable(w: World) -> None:
    w.write(3)
    w.look()
    w.file().rename(w.file("app.log.1"))
    w.write(5)
    w.file().chmod(0)
    w.look()
    w.kill()
    w.look()
    w.file().chmod(0o600)


def folder_unreadable(w: World) -> None:
    w.write(3)
    w.look()
    w.write(2)
    w.file().rename(w.file("app.log.1"))
    w.write(4)
    w.folder.chmod(0)
    w.settle()
    w.folder.chmod(0o700)


def folder_unreadable_when_we_come_back(w: World) -> None:
    w.write(3)
    w.look()
    w.kill()
    w.write(2)
    w.folder.chmod(0)
    w.settle()
    w.folder.chmod(0o700)


def folder_that_may_not_be_listed(w: World) -> None:
    w.write(3)
    w.look()
    w.folder.chmod(0o300)
    w.write(2)
    w.look()
    w.kill()
    w.write(2)
    w.look()
    w.file().rename(w.file("app.log.1"))
    w.write(1)
    w.look()
    w.folder.chmod(0o700)


def folder_away(w: World) -> None:
    w.write(3)
    w.look()
    w.folder.rename(w.folder.with_name("away"))
    w.settle()
    w.folder.with_name("away").rename(w.folder)


def folder_away_when_we_come_back(w: World) -> None:
    w.write(3)
    w.look()
    w.kill()
    w.write(2)
    w.folder.rename(w.folder.with_name("away"))
    w.settle()
    w.kill()
    w.settle()
    w.folder.with_name("away").rename(w.folder)


def folder_removed_and_made_anew(w: World) -> None:
    w.write(3)
    w.look()
    w.kill()
    shutil.rmtree(w.folder)
    w.look()
    w.folder.mkdir()


def folder_behind_a_link_that_is_switched(w: World) -> None:
    releases = [w.folder.with_name(name) for name in ("one", "two")]
    for release in releases:
        release.mkdir()
    w.folder.rmdir()
    for number in (0, 1, 0, 1):
        w.folder.unlink(missing_ok=True)
        w.folder.symlink_to(releases[number])
        w.write(2)
        w.look()
        w.write(1)
        if number:
            w.kill()


def device_with_another_number(w: World) -> None:
    """As it may have after a reboot."""
    w.write(3)
    w.look()
    w.file().rename(w.file("app.log.1"))
    w.write(3)
    w.look()
    w.kill()
    with sqlite3.connect(w.state) as database:
        assert database.execute("UPDATE files SET device = '99999999'").rowcount == 2
    database.close()


STORIES = [
    unreadable_at_the_first_look,
    unreadable_when_we_come_back,
    unreadable_when_we_come_back_and_then_rotated,
    new_one_unreadable,
    folder_unreadable,
    folder_unreadable_when_we_come_back,
    folder_that_may_not_be_listed,
    folder_away,
    folder_away_when_we_come_back,
    folder_removed_and_made_anew,
    folder_behind_a_link_that_is_switched,
    device_with_another_number,
]


@pytest.fixture
def folder() -> Iterator[Path]:
    """Return a folder of one who may not read everything: as root, of nobody, who we are then for a while."""
    made, me = Path(tempfile.mkdtemp()), os.geteuid()
    if me == 0:
        os.chown(made, _NOBODY, _NOBODY)
        os.seteuid(_NOBODY)
    try:
        yield made
    finally:
        os.seteuid(me)
        shutil.rmtree(made)


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
@pytest.mark.parametrize("path", ["app.log", "app.log*"])
def test_every_line_counts_once(folder: Path, path: str, story: Story) -> None:
    w = World(folder, path)
    try:
        story(w)
        w.settle()
        w.write(1)
        w.settle()
        assert w.counted() == w.written
        w.kill()
        w.write(1)
        w.settle()
        assert w.counted() == w.written, "after a restart"
    finally:
        w.kill()


def test_what_is_excluded_behind_a_link_stays_so(tmp_path: Path) -> None:
    w = World(tmp_path, "link/app.log", exclude=("link/app.log.1",))
    w.file("real").mkdir()
    w.file("link").symlink_to("real")
    try:
        w.write(1, "real/app.log")
        w.look()
        w.raw(b"9 No space left\n", "real/app.log.1")
        w.file("real/app.log").rename(w.file("real/app.log.2"))
        w.write(2, "real/app.log")
        w.settle()
        assert w.counted() == w.written
    finally:
        w.kill()


class _Clock:
    def time(self) -> float:
        return 0.0

    def monotonic(self) -> float:
        return 0.0


def test_a_source_that_raises_does_not_end_the_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    logs = {name: tmp_path / f"{name}.log" for name in ("bad", "good")}
    for log in logs.values():
        log.write_text("1 No space left\n")
    sources = [LogSource(name=name, path=str(log), start_at="beginning") for name, log in logs.items()]
    store, counts = Store(tmp_path / "state.db"), LogCounts()
    follower = Follower(sources, PATTERNS, engine=make_engine(PATTERNS), store=store, counts=counts, clock=_Clock())

    def fails(*_: object, **__: object) -> bool:
        raise RuntimeError("a mistake of ours")

    monkeypatch.setattr(follower._followed[0].source, "look", fails)
    try:
        follower.look()
        follower.look()
    finally:
        follower.stop()
    assert counts.lines() == {("disk_full", "bad"): 0, ("disk_full", "good"): 1}
    assert [record.getMessage() for record in caplog.records] == ["log source bad: RuntimeError: a mistake of ours"]
