"""`unlock_database` on a real PostgreSQL: who keeps others waiting for long enough, and looks as expected."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError
from bridge.actions.unlock_database import UnlockDatabase
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.actions.postgresql import dsn as dsn  # noqa: PLC0414 - a fixture that tests share

psycopg = pytest.importorskip("psycopg")
ALLOW = Allow(processes=frozenset({"worker"}))


@pytest.fixture
def file(dsn: str, home: Path) -> Path:
    with psycopg.connect(dsn, autocommit=True) as db:
        db.execute("DROP TABLE IF EXISTS tickets")
        db.execute("CREATE TABLE tickets AS SELECT 1 AS id")
    (home / "dsn").write_text(dsn)
    return home / "dsn"


@pytest.fixture
def context(make_context: MakeContext) -> StepContext:
    return make_context(ALLOW)


@contextmanager
def holding(dsn: str) -> Iterator[Any]:
    """Hold a lock in a transaction, and do nothing in it."""
    with psycopg.connect(dsn, application_name="worker") as holder:
        holder.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")

        yield holder
        holder.close()


def refused(holder: Any, statement: str) -> None:
    with suppress(psycopg.Error):
        holder.execute(statement)


@contextmanager
def waiting(dsn: str) -> Iterator[threading.Thread]:
    """Wait for the lock, as others do; the thread ends once it was had."""
    with (
        psycopg.connect(dsn, autocommit=True, application_name="waiter") as waiter,
        psycopg.connect(dsn, autocommit=True) as db,
    ):
        thread = threading.Thread(target=lambda: waiter.execute("SELECT * FROM tickets"), daemon=True)
        thread.start()
        while not db.execute("SELECT 1 FROM pg_locks WHERE NOT granted").fetchone():
            thread.join(0.01)
        yield thread
        thread.join(10)
        assert not thread.is_alive()


def act(file: Path, held_for: str = "300ms", grace: str = "500ms", **session: str) -> UnlockDatabase:
    keys = {"postgresql_file": file, "session": {"application": "worker", **session}}
    return UnlockDatabase.model_validate({**keys, "held_for": held_for, "grace": grace})


def test_a_statement_is_cancelled_where_that_is_enough(dsn: str, file: Path, context: StepContext) -> None:
    """psycopg rolls back in no time once its statement fails, as the holder's own error handling would."""
    with psycopg.connect(dsn, application_name="worker", autocommit=True) as holder:
        sleeping = "BEGIN; LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE; SELECT pg_sleep(60)"
        thread = threading.Thread(target=refused, args=(holder, sleeping))
        thread.start()
        with waiting(dsn):
            assert act(file).run(context) == "1 sessions that kept others waiting let go"
        thread.join()
        assert "what it did was cancelled" in context.output.text()


def test_one_that_idles_in_its_transaction_is_ended(dsn: str, file: Path, context: StepContext) -> None:
    with holding(dsn) as holder, waiting(dsn):
        assert "worker, user remedy, idle in transaction" in act(file).plan(context)
        assert act(file, user="remedy").run(context) == "1 sessions that kept others waiting let go"
        assert "was ended" in context.output.text()
        with pytest.raises(psycopg.OperationalError):
            holder.execute("SELECT 1")


@pytest.mark.parametrize(("application", "session"), [("other", {}), ("worker", {"user": "somebody"}), ("", {})])
def test_another_one_is_left_alone(
    application: str, session: dict[str, str], dsn: str, file: Path, context: StepContext
) -> None:
    with waiting_and_free(dsn, application) as holder:
        with pytest.raises(StepRefusedError, match=r"keeps 1 others waiting, but application 'worker'.* was expected"):
            act(file, **session).run(context)
        assert holder.execute("SELECT 1").fetchone() == (1,)


@contextmanager
def waiting_and_free(dsn: str, application: str) -> Iterator[Any]:
    with psycopg.connect(dsn, application_name=application) as holder:
        holder.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")
        with waiting(dsn):
            yield holder
            holder.rollback()


def test_one_that_lets_go_in_time_is_left_alone(dsn: str, file: Path, context: StepContext) -> None:
    with waiting_and_free(dsn, "worker") as holder:
        letting_go = threading.Timer(0.2, holder.rollback)
        letting_go.start()
        assert act(file, held_for="2s").run(context) == "nobody keeps others waiting"
        letting_go.join()
        assert not holder.closed


def test_nobody_waits(dsn: str, file: Path, context: StepContext) -> None:
    with psycopg.connect(dsn, application_name="worker") as holder:
        holder.execute("LOCK TABLE tickets IN ACCESS EXCLUSIVE MODE")
        assert act(file).run(context) == "nobody keeps others waiting"


def test_what_is_not_named_is_refused(file: Path, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match=r"session\.application: 'worker' is not in allow\.processes"):
        act(file).run(make_context(Allow()))


def test_a_server_that_is_not_there(home: Path, context: StepContext) -> None:
    (home / "dsn").write_text("host=/nonexistent user=remedy password=pässword dbname=postgres")
    with pytest.raises(StepError, match="PostgreSQL: ") as failed:
        act(home / "dsn").run(context)
    assert "pässword" not in str(failed.value)


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"database": "/a", "postgresql_file": "/b"},
        {"database": "/a"},
        {"postgresql_file": "/b"},
        {"postgresql_file": "/b", "expect": {"name": "x"}},
        {"database": "/a", "session": {"application": "x"}},
    ],
)
def test_one_of_two_with_what_belongs_to_it(keys: dict[str, Any]) -> None:
    with pytest.raises(ValidationError, match=r"takes exactly one of|goes with"):
        UnlockDatabase.model_validate(keys)
