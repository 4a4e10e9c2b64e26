"""examples/itsm-sqlite, broken in one way after another, each for real, and healed by its old file alone."""

import os
import shutil
import socket
import sqlite3
import stat
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from tests.bridge.durability.process import eventually
from tests.examples.itsm import REMEDY, Itsm, moved

HOLDS_A_PORT = "import socket, sys, time; s = socket.create_server(('127.0.0.1', int(sys.argv[2]))); time.sleep(600)"


@pytest.fixture
def itsm(tmp_path: Path) -> Itsm:
    """The example as it is when all is well; nothing answers at its port, and nobody asks."""
    itsm = Itsm("itsm-sqlite", tmp_path, moved("5100"), MKS_SKIP_HTTP_CHECK="1")
    for name in ("data", "databases", "logs", "uploads", "tmp", "backups"):
        (itsm.home / name).mkdir()
    (itsm.home / "logs" / "app.log").touch()
    sqlite3.connect(itsm.home / "itsm.db").close()
    return itsm


def says(itsm: Itsm, line: str) -> None:
    with (itsm.home / "logs" / "app.log").open("a") as log:
        log.write(f"2026-11-21 10:00:00,000 ERROR {line}\n")


def listens(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def holding(port: int, main: str) -> Iterator[subprocess.Popen[bytes]]:
    """Let a process have a port; `main` is what its command line says it runs."""
    process = subprocess.Popen([sys.executable, "-c", HOLDS_A_PORT, main, str(port)])
    try:
        eventually(lambda: listens(port))
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_port_that_an_old_process_kept_is_free_again(itsm: Itsm) -> None:
    with holding(itsm.port, "/srv/old/app.py") as old:
        says(itsm, f"OSError: [Errno 98] Address already in use: {itsm.port}")
        code, _, log = itsm.remedy("--once")
        assert (code, "自動修復完了: port_in_use" in log) == (0, True), log
        assert old.wait(10) == -15
        assert not listens(itsm.port)


def test_a_port_that_somebody_else_has_is_left_to_people(itsm: Itsm) -> None:
    with holding(itsm.port, "/srv/billing/main.py") as other:
        says(itsm, f"OSError: [Errno 98] Address already in use: {itsm.port}")
        code, _, log = itsm.remedy("--once")
        assert (code, "自動修復失敗: port_in_use" in log) == (1, True), log
        assert other.poll() is None


def test_permissions_are_as_they_should_be_again(itsm: Itsm) -> None:
    inner = itsm.home / "uploads" / "a.pdf"
    inner.touch(0o000)
    (itsm.home / "uploads").chmod(0o000)
    says(itsm, "PermissionError: [Errno 13] Permission denied: 'uploads'")
    code, _, log = itsm.remedy("--once")
    assert (code, "自動修復完了: permission_denied" in log) == (0, True), log
    assert [stat.S_IMODE(path.stat().st_mode) for path in (inner.parent, inner)] == [0o755, 0o755]


@pytest.mark.slow
def test_a_locked_database_is_waited_for_and_loses_nothing(itsm: Itsm) -> None:
    log_file = itsm.home / "logs" / "auto_fix.log"
    log_file.touch()
    holder = sqlite3.connect(itsm.home / "itsm.db", isolation_level=None, check_same_thread=False)
    with closing(holder):
        holder.execute("CREATE TABLE tickets (title)")
        holder.execute("BEGIN EXCLUSIVE")
        holder.execute("INSERT INTO tickets VALUES ('one')")
        says(itsm, "sqlite3.OperationalError: database is locked")

        def let_go() -> None:
            eventually(lambda: "修復アクション実行: database_vacuum" in log_file.read_text(encoding="utf-8"), 60)
            holder.execute("COMMIT")

        letting_go = threading.Thread(target=let_go)
        letting_go.start()
        code, _, log = itsm.remedy("--once")
        letting_go.join()
        assert (code, "自動修復完了: database_connection_error" in log) == (0, True), log
        assert holder.execute("SELECT title FROM tickets").fetchall() == [("one",)]


FULL_DISK = """
set -e
mount --make-rprivate /
mount -t tmpfs -o size=96m tmpfs "$HOME_OF_APP"
cp -a "$COPY"/. "$HOME_OF_APP"
cd "$HOME_OF_APP"
"$@" > first.json                               # while all is well: there is a ledger now, and room kept for it
head -c 30000000 /dev/zero | tr '\\0' 'x' > logs/app.log
echo >> logs/app.log
echo "OSError: [Errno 28] No space left on device" >> logs/app.log
head -c 5000000 /dev/zero > backups/old.tar && touch -d '40 days ago' backups/old.tar
head -c 1000 /dev/zero > backups/new.tar
head -c 3000000 /dev/zero > tmp/old && touch -d '2 days ago' tmp/old
head -c 200000000 /dev/zero > uploads/precious 2> /dev/null || true
df --output=avail . | tail -1 > "$OUT/before"
"$@" > "$OUT/said.json" 2> "$OUT/log" || echo $? > "$OUT/code"
df --output=avail . | tail -1 > "$OUT/after"
ls backups tmp uploads > "$OUT/left"
cat "$OUT/log" >&2
"""


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a mount namespace")
def test_a_full_disk_has_room_again_though_the_ledger_is_on_it(itsm: Itsm, tmp_path: Path) -> None:
    out, copy = tmp_path / "out", tmp_path / "copy"
    out.mkdir()
    itsm.home.rename(copy)
    itsm.home.mkdir()
    places = {"HOME_OF_APP": str(itsm.home), "COPY": str(copy), "OUT": str(out)}
    remedy = [REMEDY, "run", "--once", "--json", "--insecure-config", "--config", itsm.patterns]
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", FULL_DISK, "bash", *remedy],
        env=itsm.environment | places, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    before, after = (int((out / name).read_text()) for name in ("before", "after"))
    assert before == 0
    assert after > 7000, done.stderr
    assert '"fixes_succeeded": 1' in (out / "said.json").read_text(), done.stderr
    left = (out / "left").read_text().split()
    assert "old.tar" not in left
    assert "old" not in left
    assert {"new.tar", "precious"} <= set(left), "only what is old goes"
