"""`unlock_database`: who really locks a real database, for long enough, and looks like the one that hangs."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psutil
import pytest

from bridge.actions.base import Allow, StepRefusedError
from bridge.actions.unlock_database import UnlockDatabase
from tests.bridge.actions.conftest import MakeContext

HOLDER = """
import sqlite3, sys, time
db = sqlite3.connect(sys.argv[1], isolation_level=None)
db.execute("BEGIN IMMEDIATE")
db.execute("INSERT INTO t VALUES (2)")
print("locked", flush=True)
time.sleep(300)
"""
Holder = tuple["subprocess.Popen[str]", str]


@pytest.fixture(params=["wal", "delete"])
def file(request: pytest.FixtureRequest, home: Path) -> Path:
    (home / "data").mkdir()
    file = home / "data" / "app.db"
    with closing(sqlite3.connect(file)) as db:
        db.execute(f"PRAGMA journal_mode={request.param}")
        db.execute("CREATE TABLE t (x)")
        db.execute("INSERT INTO t VALUES (1)")
        db.commit()
    return file


@pytest.fixture
def holder(file: Path) -> Iterator[Holder]:
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(file)], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "locked\n"
        yield process, psutil.Process(process.pid).name()
        process.kill()


def action(file: Path, **keys: object) -> UnlockDatabase:
    expect = {"command_line": f"{file}$"}
    return UnlockDatabase.model_validate({"database": file, "expect": expect, "held_for": "300ms", **keys})


def test_the_holder_ends_and_nothing_is_lost(file: Path, holder: Holder, make_context: MakeContext) -> None:
    process, name = holder
    context = make_context(Allow(roots=(file.parent,), processes=frozenset({name})))
    assert str(process.pid) in action(file).plan(context)
    assert "1 processes were ended" in action(file).run(context)
    assert process.wait(5) == -15
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("SELECT x FROM t").fetchall() == [(1,)]
        db.execute("BEGIN IMMEDIATE")
    assert "nobody keeps" in action(file).run(context)


@pytest.mark.parametrize(
    ("keys", "allowed", "why"),
    [
        ({"expect": {"command_line": "another"}}, True, "was expected"),
        ({}, False, "is not in allow"),
        ({"expect": {"name": "another"}}, True, "is not in allow"),
    ],
)
def test_others_are_left_alone(
    keys: dict[str, object], allowed: bool, why: str, file: Path, request: pytest.FixtureRequest
) -> None:
    process, name = request.getfixturevalue("holder")
    allow = Allow(roots=(file.parent,), processes=frozenset({name} if allowed else ()))
    with pytest.raises(StepRefusedError, match=why):
        action(file, **keys).run(request.getfixturevalue("make_context")(allow))
    assert process.poll() is None


def test_one_that_ended_holds_nothing(file: Path, holder: Holder, make_context: MakeContext) -> None:
    process, name = holder
    process.kill()
    process.wait()
    context = make_context(Allow(roots=(file.parent,), processes=frozenset({name})))
    assert "nobody keeps" in action(file).run(context)


def test_a_reader_is_no_holder(file: Path, make_context: MakeContext) -> None:
    with closing(sqlite3.connect(file, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        assert "nobody keeps" in action(file).run(make_context(Allow(roots=(file.parent,))))
