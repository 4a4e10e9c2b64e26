"""Backup before fix: whatever a step changes comes back as it was, whatever it was."""

import os
import shutil
import socket
import sqlite3
import stat
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from bridge.actions.backups.manifest import Kind, Manifest
from bridge.actions.backups.store import BackupStore
from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError, Touch, Touched
from bridge.actions.restore_backup import RestoreBackup
from tests.bridge.actions.conftest import MakeContext

TIME_NS = 1_600_000_000_123_456_789
NAMES = ["plain", "受注 🚨.json", "-rf", "new\nline", "$(id)", "a" * 255, "\u202egnp", os.fsdecode(b"\xff\xfe")]


class Changes(Action):
    """A step that changes what it is told to."""

    paths: tuple[Path, ...]
    touch: Touch = Touch.CONTENT

    def touched(self, context: StepContext) -> Any:
        yield from (Touched(path, self.touch) for path in self.paths)

    def plan(self, context: StepContext) -> str:
        return "change it"

    def run(self, context: StepContext) -> str:
        return "changed"


@pytest.fixture
def root(home: Path) -> Path:
    folder = home / "data"
    folder.mkdir()
    return folder


@pytest.fixture
def context(root: Path, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(root,)))


def keep(context: StepContext, *paths: Path, touch: Touch = Touch.CONTENT) -> list[Kind]:
    """Back up, and say in which way each thing was kept."""
    store = BackupStore(context.backups.parent)
    before = len(store.listed(1))
    store.keep(Changes(paths=paths, touch=touch), "changes", context)
    return [entry.kind for entry in store.listed(1)[before:]]


def put_back(context: StepContext) -> str:
    return RestoreBackup(run_id="1").run(context)


def picture(folder: Path) -> dict[str, Any]:
    """Say everything of a tree that must come back; ctime and inodes cannot."""
    found: dict[str, Any] = {}
    for path in [folder, *sorted(folder.rglob("*"))]:
        info = path.lstat()
        what = info.st_mode, info.st_uid, info.st_gid
        if path.is_symlink():
            found[str(path)] = (*what, str(path.readlink()))
        elif path.is_file():
            attributes = {name: os.getxattr(path, name) for name in os.listxattr(path)}
            found[str(path)] = (*what, info.st_mtime_ns, path.read_bytes(), attributes)
        else:
            found[str(path)] = what
    return found


def spoil(path: Path) -> None:
    path.write_bytes(b"spoiled")
    path.chmod(0o606)


def remove(path: Path) -> None:
    path.unlink()


def truncate(path: Path) -> None:
    os.truncate(path, 0)


@pytest.mark.parametrize("harm", [spoil, remove, truncate])
@pytest.mark.parametrize("name", NAMES)
def test_a_file_comes_back_with_all_that_it_is(harm: Any, name: str, root: Path, context: StepContext) -> None:
    file = root / name
    file.write_bytes(os.urandom(3_000_000))
    file.chmod(0o751)
    os.setxattr(file, "user.note", b"\0\xff")
    os.utime(file, ns=(TIME_NS, TIME_NS))
    before = picture(root)
    assert keep(context, file) == [Kind.FILE]
    harm(file)
    assert picture(root) != before
    put_back(context)
    assert picture(root) == before


def test_a_folder_comes_back_with_all_that_was_in_it(root: Path, context: StepContext) -> None:
    (root / "deep" / "er" / "empty").mkdir(parents=True)
    (root / "deep" / "er").chmod(0o2770)
    (root / "deep" / "file").write_text("one")
    (root / "deep" / "er" / "none").write_text("")
    (root / "deep" / "link").symlink_to("../outside")
    if os.geteuid() == 0:
        os.chown(root / "deep" / "file", 65534, 65534)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "deep" / "socket"))
        before = picture(root / "deep")
        assert keep(context, root / "deep") == [Kind.FOLDER, Kind.FOLDER, Kind.FILE, Kind.LINK, Kind.FOLDER, Kind.FILE]
    del before[str(root / "deep" / "socket")]
    shutil.rmtree(root / "deep")
    put_back(context)
    assert picture(root / "deep") == before


def test_what_came_later_stays(root: Path, context: StepContext) -> None:
    (root / "deep").mkdir()
    assert keep(context, root / "deep", root / "new") == [Kind.FOLDER, Kind.ABSENT]
    (root / "new").write_text("new")
    (root / "deep" / "new").write_text("new")
    put_back(context)
    assert (root / "new").read_text() == (root / "deep" / "new").read_text() == "new"
    assert "there was nothing before the run" in context.output.text()


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_database_goes_through_sqlite_while_others_use_it(mode: str, root: Path, context: StepContext) -> None:
    file = root / "a.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as mine:
        mine.execute(f"PRAGMA journal_mode={mode}")
        mine.execute("CREATE TABLE t (x)")
        mine.executemany("INSERT INTO t VALUES (?)", [(n,) for n in range(5000)])
        assert keep(context, file) == [Kind.DATABASE]
        mine.execute("DELETE FROM t")
        mine.execute("CREATE TABLE other (y)")
        put_back(context)
        assert mine.execute("SELECT count(*), sum(x) FROM t").fetchone() == (5000, sum(range(5000)))
        assert mine.execute("PRAGMA journal_mode").fetchone() == (mode,)
        assert mine.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    file.unlink()
    for rest in root.glob("a.db-*"):
        rest.unlink()
    put_back(context)
    with closing(sqlite3.connect(file)) as mine:
        assert mine.execute("SELECT count(*) FROM t").fetchone() == (5000,)


def test_permissions_alone(root: Path, context: StepContext) -> None:
    file = root / "file"
    file.write_text("one")
    file.chmod(0o640)
    assert keep(context, file, touch=Touch.PERMISSIONS) == [Kind.PERMISSIONS]
    file.chmod(0o777)
    file.write_text("two")
    put_back(context)
    assert (file.read_text(), stat.S_IMODE(file.stat().st_mode)) == ("two", 0o640)


def test_what_was_changed_in_between_is_kept_again_and_the_first_is_put_back(root: Path, context: StepContext) -> None:
    file = root / "file"
    file.write_text("before the run")
    assert keep(context, file) == [Kind.FILE]
    assert keep(context, file) == []
    file.write_text("after the first attempt")
    assert keep(context, file) == [Kind.FILE]
    assert [(context.backups / name).read_text() for name in ("0001", "0002")] == [
        "before the run",
        "after the first attempt",
    ]
    put_back(context)
    assert file.read_text() == "before the run"


def test_putting_back_can_be_undone(root: Path, home: Path, make_context: MakeContext, context: StepContext) -> None:
    file = root / "file"
    file.write_text("one")
    keep(context, file)
    file.write_text("two")
    restore = make_context(Allow(roots=(root,)), run=2)
    BackupStore(home / "backups").keep(RestoreBackup(run_id="1"), "restore_backup", restore)
    RestoreBackup(run_id="1").run(restore)
    assert file.read_text() == "one"
    RestoreBackup(run_id="2").run(make_context(Allow(roots=(root,)), run=3))
    assert file.read_text() == "two"


def test_copies_are_for_us_alone(root: Path, context: StepContext) -> None:
    (root / "open").write_text("x")
    (root / "open").chmod(0o644)
    os.umask(os.umask(0))
    keep(context, root / "open")
    kept = [context.backups.parent, context.backups, *context.backups.iterdir()]
    assert {path.name: oct(stat.S_IMODE(path.stat().st_mode)) for path in kept} == {
        "backups": "0o700",
        "1": "0o700",
        "0001": "0o600",
        "manifest.jsonl": "0o600",
    }


def test_nothing_is_put_back_outside_the_roots(root: Path, home: Path, make_context: MakeContext) -> None:
    (root / "file").write_text("one")
    keep(make_context(Allow(roots=(root,))), root / "file")
    (root / "file").write_text("two")
    other = make_context(Allow(roots=(home / "elsewhere",)))
    with pytest.raises(StepError, match="could not be put back"):
        put_back(other)
    assert "is in none of allow.roots" in other.output.text()
    assert (root / "file").read_text() == "two"


@pytest.mark.parametrize("switched", ["file", "folder"])
def test_a_symlink_that_came_since_leads_nowhere(switched: str, root: Path, home: Path, context: StepContext) -> None:
    outside = home / "outside"
    outside.mkdir()
    (outside / "file").write_text("precious")
    (root / "in").mkdir()
    (root / "in" / "file").write_text("one")
    keep(context, root / "in" / "file")
    if switched == "file":
        (root / "in" / "file").unlink()
        (root / "in" / "file").symlink_to(outside / "file")
    else:
        shutil.rmtree(root / "in")
        (root / "in").symlink_to(outside)
    with pytest.raises(StepError, match="1 of 1 could not be put back"):
        put_back(context)
    assert (outside / "file").read_text() == "precious"


def test_a_symlink_is_not_copied(root: Path, home: Path, context: StepContext) -> None:
    (home / "secret").write_text("secret")
    (root / "link").symlink_to(home / "secret")
    with pytest.raises(StepRefusedError, match="is a symlink"):
        keep(context, root / "link")
    assert not context.backups.exists()


def test_one_that_cannot_be_put_back_does_not_keep_the_others(root: Path, context: StepContext) -> None:
    for name in ("one", "two"):
        (root / name).write_text(name)
    keep(context, root / "one", root / "two")
    (root / "one").unlink()
    (root / "one").mkdir()
    (root / "two").unlink()
    with pytest.raises(StepError, match="1 of 2 could not be put back"):
        put_back(context)
    assert (root / "two").read_text() == "two"


def test_a_copy_that_was_damaged_replaces_nothing(root: Path, context: StepContext) -> None:
    (root / "file").write_text("one")
    keep(context, root / "file")
    (context.backups / "0001").write_text("o")
    (root / "file").write_text("two")
    with pytest.raises(StepError):
        put_back(context)
    assert (root / "file").read_text() == "two"
    assert "is not as large as it was" in context.output.text()
    assert [path.name for path in root.iterdir()] == ["file"]


def test_a_list_that_a_crash_cut_is_read_and_gone_on_with(root: Path, context: StepContext) -> None:
    (root / "one").write_text("one")
    (root / "two").write_text("two")
    keep(context, root / "one")
    with (context.backups / "manifest.jsonl").open("a") as cut:
        cut.write('{"step": "x", "pa')
    assert keep(context, root / "two") == [Kind.FILE]
    assert [entry.path for entry in Manifest(context.backups).read()] == [str(root / "one"), str(root / "two")]


@pytest.mark.parametrize("run", ["0", "-1", "1/../2", "", "1\n", "\uff19"])
def test_what_is_no_run(run: str) -> None:
    with pytest.raises(ValueError, match="run_id"):
        RestoreBackup(run_id=run)


def test_a_run_that_kept_nothing(context: StepContext) -> None:
    with pytest.raises(StepError, match="nothing was kept of run 7"):
        RestoreBackup(run_id="7").run(context)
