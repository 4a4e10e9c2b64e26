"""`sqlite_check` with `recover_to`: what can be read of real damaged databases, whatever stands in them."""

import os
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.host.sqlite_recovery import _statements as statements
from bridge.actions.sqlite_check import SqliteCheck
from tests.bridge.actions.conftest import MakeContext

PAGE = 4096


@pytest.fixture
def data(home: Path) -> Path:
    (home / "data" / "recovered").mkdir(parents=True)
    return home / "data"


@pytest.fixture
def context(data: Path, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(data,)))


def database(data: Path, rows: int = 3000) -> Path:
    file = data / "a ?#.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
        db.execute("CREATE INDEX by_text ON t (text)")
        db.executemany(
            "INSERT INTO t (text) VALUES (?)", [(f"受注 {number};\n.shell id\n" * 5,) for number in range(rows)]
        )
        db.commit()
    return file


def spoil(file: Path, first: int, pages: int) -> None:
    with file.open("r+b") as raw:
        raw.seek(first * PAGE)
        raw.write(os.urandom(pages * PAGE))


@pytest.mark.parametrize(("first", "pages"), [(20, 1), (20, 30), (60, 10)])
def test_most_rows_come_back_as_they_were(first: int, pages: int, data: Path, context: StepContext) -> None:
    file = database(data)
    spoil(file, first, pages)
    before = file.read_bytes()
    with pytest.raises(StepError, match=r"is damaged: .*what can be read, .* tables with .* rows.* stands in"):
        SqliteCheck(database=file, recover_to=data / "recovered").run(context)
    assert file.read_bytes() == before
    (copy,) = (data / "recovered").iterdir()
    with closing(sqlite3.connect(copy)) as db:
        rows = dict(db.execute("SELECT id, text FROM t"))
    assert len(rows) > 1000
    wrong = [text for id_, text in rows.items() if text != f"受注 {id_ - 1};\n.shell id\n" * 5]
    assert not wrong
    assert oct(copy.stat().st_mode & 0o777) == "0o600"


def test_one_of_which_nothing_is_left(data: Path, context: StepContext) -> None:
    file = database(data)
    with file.open("r+b") as raw:
        raw.seek(100)
        raw.write(os.urandom(file.stat().st_size - 100))
    with pytest.raises(StepError, match="it could not be recovered: nothing of it can be read"):
        SqliteCheck(database=file, recover_to=data / "recovered").run(context)
    assert not list((data / "recovered").iterdir())


def test_a_whole_one_is_not_recovered(data: Path, context: StepContext) -> None:
    assert SqliteCheck(database=database(data), recover_to=data / "recovered").run(context).endswith("is whole")
    assert not list((data / "recovered").iterdir())


def test_what_is_left_out_and_what_is_not(tmp_path: Path) -> None:
    text = b".dbconfig defensive off\nBEGIN;\nINSERT INTO t VALUES('a;\n.shell id\n');\n.shell id\nCOMMIT;\n"
    (tmp_path / "x").write_bytes(text)
    with (tmp_path / "x").open("rb") as file:
        assert list(statements(file)) == ["BEGIN;\n", "INSERT INTO t VALUES('a;\n.shell id\n');\n", "COMMIT;\n"]


@pytest.mark.parametrize("where", ["/tmp", "/etc"])
def test_only_into_a_root(where: str, data: Path, context: StepContext) -> None:
    refused = list(SqliteCheck(database=data / "x", recover_to=Path(where)).refusals(context.allow))
    assert [field for field, _ in refused] == ["recover_to"]
