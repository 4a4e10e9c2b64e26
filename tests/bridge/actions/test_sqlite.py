"""SQLite actions on real databases, in WAL mode, with others reading and writing."""

import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.database_vacuum import DatabaseVacuum
from bridge.actions.sqlite_backup import SqliteBackup
from bridge.actions.sqlite_check import SqliteCheck
from bridge.actions.sqlite_checkpoint import SqliteCheckpoint
from tests.bridge.actions.conftest import MakeContext


@pytest.fixture
def file(home: Path) -> Path:
    """Make a database with 2,000 rows, named so that a URI would trip over it."""
    (home / "data").mkdir()
    file = home / "data" / "受注 100%?#.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        db.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 1000,)] * 2000)
        db.commit()
    return file


@pytest.fixture
def context(home: Path, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(home / "data",)), seconds=5)


def rows(file: Path) -> int:
    with closing(sqlite3.connect(file)) as db:
        count: int = db.execute("SELECT count(*) FROM t").fetchone()[0]
    return count


def damage(file: Path) -> None:
    with file.open("r+b") as raw:
        raw.seek(4096 * 20)
        raw.write(b"\xff" * 4096 * 5)


def test_a_whole_one_and_a_damaged_one(file: Path, context: StepContext) -> None:
    assert SqliteCheck(database=file).run(context) == f"{file} is whole"
    damage(file)
    with pytest.raises(StepError, match="is damaged"):
        SqliteCheck(database=file).run(context)


def test_the_log_is_emptied_and_nothing_is_lost(file: Path, context: StepContext) -> None:
    wal = file.with_name(file.name + "-wal")
    with closing(sqlite3.connect(file)) as writer:
        writer.executemany("INSERT INTO t (text) VALUES (?)", [("y",)] * 100)
        writer.commit()
        assert wal.stat().st_size > 0
        assert "emptied" in SqliteCheckpoint(database=file).run(context)
        assert wal.stat().st_size == 0
    assert rows(file) == 2100


def test_a_reader_is_not_disturbed(file: Path, home: Path, make_context: MakeContext) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as reader, closing(sqlite3.connect(file)) as writer:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM t").fetchone()
        writer.execute("INSERT INTO t (text) VALUES ('y')")
        writer.commit()
        with pytest.raises(StepError, match=r"somebody is reading or writing|time was up"):
            SqliteCheckpoint(database=file).run(make_context(Allow(roots=(home / "data",)), seconds=0.3))
        assert reader.execute("SELECT count(*) FROM t").fetchone() == (2000,)
    assert rows(file) == 2001


def test_a_copy_is_made_while_others_write(file: Path, context: StepContext, home: Path) -> None:
    to = home / "data" / "copies"
    to.mkdir()
    with closing(sqlite3.connect(file)) as writer:
        writer.execute("INSERT INTO t (text) VALUES ('not committed')")
        said = SqliteBackup(database=file, to=to).run(context)
        writer.rollback()
    (copy,) = to.iterdir()
    assert str(copy) in said
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert rows(copy) == 2000


def test_only_so_many_copies_stay(file: Path, context: StepContext, home: Path) -> None:
    to = home / "data"
    old = [to / f"{file.stem}-2026010{day}T000000Z.db" for day in range(1, 5)]
    for copy in [*old, to / "other-20260101T000000Z.db", to / f"{file.stem}-notes.db"]:
        copy.write_text("")
    SqliteBackup(database=file, to=to, keep=2).run(context)
    assert [copy.exists() for copy in old] == [False, False, False, True]
    assert (to / "other-20260101T000000Z.db").exists()
    assert (to / f"{file.stem}-notes.db").exists()


def test_a_damaged_one_gives_no_copy(file: Path, context: StepContext, home: Path) -> None:
    to = home / "data" / "copies"
    to.mkdir()
    damage(file)
    with pytest.raises(StepError, match="damaged"):
        SqliteBackup(database=file, to=to).run(context)
    assert list(to.iterdir()) == []


def test_room_is_given_back(file: Path, context: StepContext) -> None:
    with closing(sqlite3.connect(file)) as db:
        db.execute("DELETE FROM t WHERE id > 10")
        db.commit()
    before = file.stat().st_size
    assert "given back" in DatabaseVacuum(sqlite=file).run(context)
    assert file.stat().st_size < before / 10
    assert rows(file) == 10


def test_incremental_needs_a_database_made_for_it(file: Path, context: StepContext) -> None:
    with pytest.raises(StepError, match="auto_vacuum"):
        DatabaseVacuum(sqlite=file, incremental=True).run(context)


def actions_on(file: Path) -> list[Action]:
    return [
        SqliteCheck(database=file),
        SqliteCheckpoint(database=file),
        SqliteBackup(database=file, to=file.parent),
        DatabaseVacuum(sqlite=file),
    ]


@pytest.mark.parametrize("number", range(4))
def test_a_locked_one_is_said_to_be_locked(number: int, file: Path, home: Path, make_context: MakeContext) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as holder:
        holder.execute("PRAGMA locking_mode=EXCLUSIVE")
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(StepError, match=r"is locked by somebody|time was up"):
            actions_on(file)[number].run(make_context(Allow(roots=(home / "data",)), seconds=0.3))


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("trap", ["symlink", "text", "missing", "outside"])
def test_what_is_no_database_of_ours(trap: str, number: int, file: Path, home: Path, context: StepContext) -> None:
    path = home / "data" / "trap.db"
    match trap:
        case "symlink":
            path.symlink_to(file)
        case "text":
            path.write_text("hello")
        case "outside":
            path = home / "outside.db"
            path.write_bytes(file.read_bytes())
    before = path.read_bytes() if path.exists() else None
    with pytest.raises(StepRefusedError if trap in ("symlink", "outside") else StepError):
        actions_on(path)[number].run(context)
    assert (path.read_bytes() if path.exists() else None) == before
