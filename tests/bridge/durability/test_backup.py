"""`remedy backup`: a whole and checked copy while the bridge writes, or nothing; and the copy is a ledger again."""

import json
import os
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import insert, select, update

from bridge.ledger.backup import BackupError, back_up
from bridge.ledger.schema import meta
from bridge.ledger.store import Ledger, LedgerError


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger(f"sqlite:///{tmp_path}/data/ledger.db")
    (tmp_path / "remediation.yml").write_text(f"database: sqlite:///{opened.path}\n")
    yield opened
    opened.close()


def put(ledger: Ledger, key: str, value: str = "x") -> None:
    ledger.write(lambda c: c.execute(insert(meta).values(key=key, value=value)) and None)


def read(file: Path, query: str) -> list[tuple]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        return connection.execute(query).fetchall()


def remedy(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "remedy", "backup", *arguments]
    done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert "Traceback" not in done.stderr
    return done


def test_the_command_copies_what_is_written_meanwhile_as_of_one_moment(ledger: Ledger, tmp_path: Path) -> None:
    """Two counters move in one transaction; a copy of more than one moment would see them apart."""
    for key in ("one", "other"):
        put(ledger, key, "0")
    put(ledger, "bulk", "x" * 5_000_000)
    over, moved = threading.Event(), threading.Event()

    def count() -> None:
        number = 0
        while not over.is_set():
            number += 1
            for_both = update(meta).where(meta.c.key.in_(["one", "other"])).values(value=str(number))
            ledger.write(lambda c, what=for_both: c.execute(what) and None)
            moved.set()

    counting = threading.Thread(target=count)
    counting.start()
    try:
        assert moved.wait(10)
        done = remedy(tmp_path, "copy.db", "--json")
        assert done.returncode == 0, done.stderr
    finally:
        over.set()
        counting.join()
    copy = tmp_path / "copy.db"
    size = copy.stat().st_size
    assert json.loads(done.stdout) == {"file": str(copy), "bytes": size, "version": 1, "episodes": 0, "runs": 0}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    (one,), (other,) = read(copy, "SELECT value FROM meta WHERE key IN ('one', 'other')")
    assert one == other != "0"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "data", "remediation.yml"]


def test_a_backup_is_restored_by_putting_it_in_place(ledger: Ledger, tmp_path: Path) -> None:
    put(ledger, "before")
    back_up(ledger.path, tmp_path / "copy.db")
    put(ledger, "after")
    ledger.close()
    for part in ("", "-wal", "-shm"):
        ledger.path.with_name(ledger.path.name + part).unlink(missing_ok=True)
    (tmp_path / "copy.db").rename(ledger.path)
    restored = Ledger(f"sqlite:///{ledger.path}")
    with restored.read() as connection:
        assert set(connection.scalars(select(meta.c.key))) == {"version", "before"}
    restored.close()


def test_what_is_there_is_replaced_only_when_told(ledger: Ledger, tmp_path: Path) -> None:
    copy = tmp_path / "copy.db"
    copy.write_text("something dear")
    done = remedy(tmp_path, "copy.db")
    assert done.returncode != 0
    assert "is there already: choose another name, or say --force" in done.stderr
    assert copy.read_text() == "something dear"
    done = remedy(tmp_path, "copy.db", "--force")
    assert done.returncode == 0, done.stderr
    assert "checked" in done.stdout
    assert read(copy, "SELECT value FROM meta") == [("1",)]


def test_it_comes_between_looking_and_naming(ledger: Ledger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody else makes the file at the last moment: theirs stays."""
    copy, link = tmp_path / "copy.db", os.link

    def first(source: Path, target: Path, **more: object) -> None:
        copy.write_text("theirs")
        link(source, target, **more)

    monkeypatch.setattr(os, "link", first)
    with pytest.raises(BackupError, match="is there already"):
        back_up(ledger.path, copy)
    assert copy.read_text() == "theirs"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["copy.db", "data", "remediation.yml"]


@pytest.mark.parametrize("part", ["", "-wal", "-shm"])
def test_the_ledger_itself_is_never_replaced(ledger: Ledger, part: str) -> None:
    put(ledger, "a")
    file = ledger.path.with_name(ledger.path.name + part)
    before = file.stat().st_ino
    with pytest.raises(BackupError, match="is no backup"):
        back_up(ledger.path, file, replace=True)
    assert file.stat().st_ino == before


def test_a_folder_is_no_place_for_it(ledger: Ledger, tmp_path: Path) -> None:
    for place, why in ((tmp_path / "data", "is no backup"), (tmp_path / "nowhere" / "copy.db", "No such file")):
        with pytest.raises(BackupError, match=why):
            back_up(ledger.path, place, replace=True)


def test_a_damaged_ledger_leaves_the_older_backup_alone(ledger: Ledger, tmp_path: Path) -> None:
    back_up(ledger.path, tmp_path / "copy.db")
    older = (tmp_path / "copy.db").read_bytes()
    for number in range(300):
        put(ledger, f"key {number}", "x" * 500)
    ledger.close()
    data = bytearray(ledger.path.read_bytes())
    data[-60_000:-8_000] = b"\x55" * 52_000
    ledger.path.write_bytes(data)
    with pytest.raises(BackupError, match=r"damaged|malformed"):
        back_up(ledger.path, tmp_path / "copy.db", replace=True)
    assert (tmp_path / "copy.db").read_bytes() == older
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (None, "there is no ledger at"),
        (b"a text, and a long one " * 100, "file is not a database"),
        (b"", "no such table"),
    ],
)
def test_what_is_no_ledger_is_not_copied(tmp_path: Path, content: bytes | None, why: str) -> None:
    if content is not None:
        (tmp_path / "ledger.db").write_bytes(content)
    with pytest.raises(BackupError, match=why):
        back_up(tmp_path / "ledger.db", tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()


def test_a_backup_of_a_newer_version_says_so_when_it_is_restored(ledger: Ledger, tmp_path: Path) -> None:
    ledger.write(lambda c: c.execute(update(meta).values(value="7")) and None)
    made = back_up(ledger.path, tmp_path / "copy.db")
    assert made.version == 7
    with pytest.raises(LedgerError, match="of version 7, and this bridge knows versions up to"):
        Ledger(f"sqlite:///{made.file}")
