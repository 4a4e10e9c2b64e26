"""examples/service-outage: the runbook's table, its checks and its scripts."""

import json
import os
import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import pytest

from tests.deploy.test_systemd import REMEDY

EXAMPLE = Path(__file__).parents[2] / "examples" / "service-outage"
CAUSES = {
    "memory_error", "disk_full", "port_in_use", "ssl_certificate_error", "database_locked", "node_exception",
}  # fmt: skip


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """The example, with its scripts where it wants them, and a service's folder; all below a folder of the test's."""
    shutil.copytree(EXAMPLE, tmp_path / "example")
    for script in (tmp_path / "example" / "bin").iterdir():
        script.chmod(0o755)
    for name in ("logs", "data/backups", "certs"):
        (tmp_path / "app" / name).mkdir(parents=True)
    for name in ("exporter.yml", "remediation.yml", "remediation_test.yml"):
        file = tmp_path / "example" / name
        text = file.read_text().replace("/usr/local/lib/outage", str(tmp_path / "example" / "bin"))
        text = text.replace("/srv/app", str(tmp_path / "app")).replace("/var/lib/remedy", str(tmp_path))
        file.write_text(text)
        file.chmod(0o600)
    return tmp_path


def run(*argv: object, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*map(str, argv)], check=False, capture_output=True, text=True, timeout=60, env=os.environ | more
    )


def test_the_runbooks_table_is_kept_row_by_row(place: Path) -> None:
    done = run(REMEDY, "test", place / "example" / "remediation_test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_files_are_right_and_every_cause_is_looked_for(place: Path) -> None:
    for name in ("exporter.yml", "remediation.yml"):
        done = run(REMEDY, "check-config", place / "example" / name)
        assert done.returncode == 0, done.stderr
    log = place / "app" / "logs" / "app.log"
    lines = {
        "memory_error": "FATAL ERROR: JavaScript heap out of memory",
        "disk_full": "Error: ENOSPC: no space left on device, write",
        "port_in_use": "Error: listen EADDRINUSE: address already in use :::6443",
        "ssl_certificate_error": "Error: CERT_HAS_EXPIRED",
        "database_locked": "SqliteError: SQLITE_BUSY: database is locked",
        "node_exception": "UnhandledPromiseRejectionWarning: x",
    }
    log.write_text("".join(f"{line}\n" for line in lines.values()))
    found = json.loads(run(REMEDY, "scan", log, "--json", "--config", place / "example" / "exporter.yml").stdout)
    assert {pattern for pattern, count in found[str(log)].items() if count} >= CAUSES


@pytest.mark.parametrize("content", ["A=1\nENABLE_HTTPS=true\nB=2\n", "A=1\n", ""])
def test_the_fallback_for_an_expired_certificate_changes_one_line(place: Path, content: str) -> None:
    file = place / "app.env"
    file.write_text(content)
    file.chmod(0o640)
    done = run(place / "example" / "bin" / "https-off", APP_ENV=str(file))
    assert done.returncode == 0, done.stderr
    kept = [line for line in content.splitlines() if not line.startswith("ENABLE_HTTPS=")]
    assert file.read_text().splitlines() == [*kept, "ENABLE_HTTPS=false"]
    assert file.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in place.glob("app.env*")] == ["app.env"]


@pytest.mark.parametrize("works", [True, False])
def test_packages_are_rebuilt_or_left_as_they_were(place: Path, works: bool) -> None:
    """npm itself is another's; here it is one that installs, or one that fails half way."""
    tools, packages = place / "tools", place / "app" / "node_modules"
    tools.mkdir()
    npm = tools / "npm"
    npm.write_text(f"#!/bin/sh\nmkdir node_modules && touch node_modules/new && exit {0 if works else 1}\n")
    npm.chmod(0o755)
    packages.mkdir()
    (packages / "old").touch()
    done = run(
        place / "example" / "bin" / "rebuild-node-modules",
        APP_DIR=str(place / "app"), PATH=f"{tools}:{os.environ['PATH']}",
    )  # fmt: skip
    assert (done.returncode == 0) == works, done.stderr
    assert [each.name for each in packages.iterdir()] == (["new"] if works else ["old"])
    assert [each.name for each in (place / "app").glob("node_modules*")] == ["node_modules"]


def test_the_write_ahead_log_is_measured(place: Path) -> None:
    script, database = place / "example" / "bin" / "wal-size", place / "app" / "data" / "app.db"
    assert run(script, APP_DIR=str(place / "app")).stdout == "0\n"
    with closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE t (x)")
        connection.commit()
        assert int(run(script, APP_DIR=str(place / "app")).stdout) > 0
