"""`database_vacuum` on a real PostgreSQL of our own, on a socket in a folder of its own."""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.actions.base import StepContext, StepError, StepTimeoutError
from bridge.actions.database_vacuum import DatabaseVacuum
from bridge.actions.host.postgres import connected
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.actions.postgresql import dsn as dsn  # noqa: PLC0414 - a fixture that tests share

psycopg = pytest.importorskip("psycopg")


@pytest.fixture
def file(dsn: str, home: Path) -> Path:
    """Write the connection string into a secret file, and make a table with dead rows."""
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS tickets")
        db.execute("CREATE TABLE tickets AS SELECT generate_series(1, 10000) AS id")
        db.execute("DELETE FROM tickets WHERE id > 10")
    secret = home / "dsn"
    secret.write_text(dsn + "\n")
    return secret


def test_dead_rows_go(file: Path, dsn: str, make_context: MakeContext) -> None:
    said = DatabaseVacuum(postgresql_file=file, tables=("public.tickets",)).run(make_context())
    assert said == "vacuumed and analysed public.tickets"
    with psycopg.connect(dsn) as db:
        assert db.execute("SELECT reltuples FROM pg_class WHERE relname = 'tickets'").fetchone() == (10.0,)


def test_all_tables(file: Path, make_context: MakeContext) -> None:
    assert DatabaseVacuum(postgresql_file=file).run(make_context()) == "vacuumed and analysed all tables"


def test_a_lock_that_others_hold(file: Path, dsn: str, make_context: MakeContext) -> None:
    with psycopg.connect(dsn) as holder:
        holder.execute("LOCK TABLE tickets IN SHARE UPDATE EXCLUSIVE MODE")
        with pytest.raises(StepTimeoutError):
            DatabaseVacuum(postgresql_file=file, tables=("tickets",)).run(make_context(seconds=1))


def test_the_bridges_end(file: Path, dsn: str, make_context: MakeContext) -> None:
    context = make_context(seconds=4)
    with psycopg.connect(dsn) as holder:
        holder.execute("LOCK TABLE tickets IN SHARE UPDATE EXCLUSIVE MODE")
        threading.Timer(0.3, context.stop.set).start()
        with pytest.raises(StepError, match="stopping"):
            DatabaseVacuum(postgresql_file=file, tables=("tickets",)).run(context)


@pytest.mark.parametrize("ends", ["its time is up", "the bridge ends"])
def test_a_server_that_stands_still_is_not_waited_for(ends: str, dsn: str, make_context: MakeContext) -> None:
    context = make_context(seconds=1 if ends == "its time is up" else 60)
    with pytest.raises(StepError, match=r"its time was up|stopping"):
        ask_while_it_stands_still(dsn, context, context.stop.set if ends == "the bridge ends" else lambda: None)


def ask_while_it_stands_still(dsn: str, context: StepContext, then: Callable[[], None]) -> None:
    with connected(dsn, "dsn", context) as server:
        pid = server.info.backend_pid
        os.kill(pid, signal.SIGSTOP)
        then()
        try:
            server.execute("SELECT 1")
        finally:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize(
    ("keys", "text", "why"),
    [
        ({"tables": ("nothere",)}, None, "does not exist"),
        ({}, "host=/nonexistent user=remedy", "PostgreSQL: "),
        ({}, "password=hunter2 nonsense", "holds no connection string"),
        ({}, "", "it is empty"),
    ],
)
def test_failures_have_their_names(
    keys: dict[str, object], text: str | None, why: str, file: Path, make_context: MakeContext
) -> None:
    if text is not None:
        file.write_text(text)
    with pytest.raises(StepError, match=why) as failed:
        DatabaseVacuum.model_validate({"postgresql_file": file, **keys}).run(make_context())
    assert "hunter2" not in str(failed.value)
