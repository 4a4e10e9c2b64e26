"""PostgreSQL, Redis and SQLite: real servers of our own, on free ports or sockets, stopped by SIGSTOP to hang."""

import os
import pwd
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

from exporters.checks.base import Status
from tests.exporters.checks.looking import look

HEALTHY, UNHEALTHY = Status.HEALTHY, Status.UNHEALTHY
_POSTGRES = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """Stop a server and all its children, so that it neither answers nor hangs up."""
    family = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in family:
        process.suspend()
    try:
        yield
    finally:
        for process in family:
            process.resume()


@dataclass(frozen=True)
class Postgres:
    folder: Path
    pid: int

    @property
    def dsn(self) -> str:
        return f"host={self.folder} user=remedy dbname=postgres"


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    if not _POSTGRES:
        pytest.skip("there is no PostgreSQL server on this machine (apt-get install postgresql)")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    folder = Path(tempfile.mkdtemp(prefix="remedy-postgresql-"))
    shutil.chown(folder, user)
    who = {"user": user, "group": pwd.getpwnam(user).pw_gid} if os.geteuid() == 0 else {}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **who}
    data = folder / "data"
    subprocess.run(
        [_POSTGRES[-1] / "initdb", "-D", data, "-A", "trust", "-U", "remedy", "--no-sync"], check=True, **quiet
    )
    control = [_POSTGRES[-1] / "pg_ctl", "-D", data, "-w", "-s"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, **quiet)
    try:
        yield Postgres(folder, int((data / "postmaster.pid").read_text().split()[0]))
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
        shutil.rmtree(folder)


def test_postgresql(postgres: Postgres, tmp_path: Path) -> None:
    knocked = look("postgresql", host=str(postgres.folder))
    assert (knocked.status, "takes connections" in knocked.message) == (HEALTHY, True), knocked
    (tmp_path / "dsn").write_text(f"{postgres.dsn}\n")
    assert look("postgresql", dsn_file=tmp_path / "dsn").status is HEALTHY
    assert look("postgresql", dsn=postgres.dsn, query="SELECT * FROM nothing").status is UNHEALTHY
    slow = look("postgresql", dsn=postgres.dsn, query="SELECT pg_sleep(60)", seconds=0.5)
    assert (slow.status, "statement timeout" in slow.message) == (UNHEALTHY, True), slow
    assert look("postgresql", dsn=postgres.dsn, query="CREATE TABLE x (a int)").status is UNHEALTHY, "it only reads"


def test_postgresql_that_hangs_or_is_not_there(postgres: Postgres, tmp_path: Path) -> None:
    with stopped(postgres.pid):
        hung = look("postgresql", host=str(postgres.folder), seconds=0.3)
    assert (hung.status, "did not answer" in hung.message) == (UNHEALTHY, True), hung
    assert look("postgresql", host=str(tmp_path)).status is UNHEALTHY
    assert look("postgresql", dsn=f"host={tmp_path} user=x").status is UNHEALTHY


def test_postgresql_by_its_variables(postgres: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGHOST", str(postgres.folder))
    assert look("postgresql").status is HEALTHY
    monkeypatch.setenv("DATABASE_URL", f"postgresql://remedy@/postgres?host={postgres.folder}")
    assert "PostgreSQL" in look("postgresql").message


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


@contextmanager
def redis_server(port: int, folder: Path, *options: str) -> Iterator[int]:
    if shutil.which("redis-server") is None:
        pytest.skip("there is no Redis server on this machine (apt-get install redis-server)")
    argv = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder), *options]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL) as server:
        try:
            deadline = time.monotonic() + 10
            while look("tcp", port=port).status is not HEALTHY:
                assert time.monotonic() < deadline
                time.sleep(0.01)
            yield server.pid
        finally:
            server.send_signal(signal.SIGTERM)


def test_redis(port: int, tmp_path: Path) -> None:
    assert look("redis", port=port, host="127.0.0.1").status is UNHEALTHY
    with redis_server(port, tmp_path) as pid:
        assert look("redis", port=port, host="127.0.0.1").status is HEALTHY
        with stopped(pid):
            hung = look("redis", port=port, host="127.0.0.1", seconds=0.3)
        assert (hung.status, "did not answer" in hung.message) == (UNHEALTHY, True), hung


def test_redis_with_a_password(port: int, tmp_path: Path) -> None:
    for name in ("right", "wrong"):
        (tmp_path / name).write_text(f"{name}\n")
    with redis_server(port, tmp_path, "--requirepass", "right"):
        assert "wants a password" in look("redis", port=port, host="127.0.0.1").message
        assert look("redis", port=port, host="127.0.0.1", password_file=tmp_path / "right").status is HEALTHY
        assert look("redis", port=port, host="127.0.0.1", password_file=tmp_path / "wrong").status is UNHEALTHY


@pytest.fixture
def database(tmp_path: Path) -> Path:
    file = tmp_path / "app.db"
    with closing(sqlite3.connect(file)) as db:
        db.executescript("CREATE TABLE one (a TEXT); CREATE TABLE two (b); CREATE INDEX i ON one (a);")
        db.executemany("INSERT INTO one VALUES (?)", [("x" * 100,)] * 1000)
        db.commit()
    return file


@pytest.mark.parametrize("integrity", ["none", "quick", "full"])
def test_sqlite(database: Path, integrity: str) -> None:
    before = database.read_bytes()
    result = look("sqlite", path=database, integrity=integrity)
    assert (result.status, result.value) == (HEALTHY, 2), result
    assert look("sqlite", path=database, min_tables=3).status is UNHEALTHY
    assert database.read_bytes() == before


def test_sqlite_damaged_or_none(database: Path, tmp_path: Path) -> None:
    with database.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 8192)
    assert look("sqlite", path=database, integrity="quick").status is UNHEALTHY
    (tmp_path / "text").write_text("this is no database, however long it may be " * 10)
    assert look("sqlite", path=tmp_path / "text").status is UNHEALTHY
    assert look("sqlite", path=tmp_path / "nothing").status is UNHEALTHY
    assert not (tmp_path / "nothing").exists()


def test_sqlite_says_who_holds_the_lock(database: Path) -> None:
    hold = (
        "import sqlite3, sys; d = sqlite3.connect(sys.argv[1]); d.execute('BEGIN EXCLUSIVE'); print(); sys.stdin.read()"
    )
    argv = [sys.executable, "-c", hold, str(database)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout
        holder.stdout.readline()
        result = look("sqlite", path=database, seconds=0.5)
        assert (result.status, str(holder.pid) in result.message) == (UNHEALTHY, True), result
        holder.kill()


_AS_NOBODY = """
import codecs, os, sys
from exporters.checks import sqlite
from tests.exporters.checks.looking import look
codecs.lookup("ascii")  # Python itself may be out of reach later
if os.geteuid() == 0:
    os.seteuid(65534)
print(look("sqlite", seconds=1, path=sys.argv[1]).message)
"""


def test_sqlite_in_wal_mode_and_closed_where_we_may_not_write() -> None:
    """Reading such a file makes a -shm beside it, else."""
    folder = Path(tempfile.mkdtemp())
    try:
        with closing(sqlite3.connect(folder / "app.db")) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE orders (id INTEGER)")
            database.commit()
        folder.chmod(0o555)
        asked = [sys.executable, "-c", _AS_NOBODY, str(folder / "app.db")]
        done = subprocess.run(asked, capture_output=True, text=True, check=False)
        assert done.stdout == f"{folder}/app.db has 1 tables\n", done.stderr
        with closing(sqlite3.connect(folder / "app.db", isolation_level=None)) as database:
            database.execute("PRAGMA journal_mode = DELETE")
            database.execute("BEGIN EXCLUSIVE")
            done = subprocess.run(asked, capture_output=True, text=True, check=False)
            assert "database is locked" in done.stdout, done.stderr
    finally:
        folder.chmod(0o755)
        shutil.rmtree(folder)


def test_sqlite_is_not_in_the_way(database: Path) -> None:
    """A writer at work is neither delayed nor refused."""
    done, written = threading.Event(), list[int]()
    with closing(sqlite3.connect(database, timeout=1, isolation_level=None, check_same_thread=False)) as db:
        db.execute("PRAGMA journal_mode = WAL")

        def write() -> None:
            try:
                for _ in range(200):
                    db.execute("INSERT INTO one VALUES ('y')")
                    written.append(1)
            finally:
                done.set()

        writer = threading.Thread(target=write)
        writer.start()
        while not done.is_set():
            assert look("sqlite", path=database, integrity="quick").status is HEALTHY
        writer.join()
    assert len(written) == 200
