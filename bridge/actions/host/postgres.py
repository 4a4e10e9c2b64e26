"""PostgreSQL, asked within a step's time: what the server does for us is cancelled when the bridge ends."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bridge.actions.base import StepContext, StepError, StepTimeoutError
from remedy.config.extras import MissingExtra, require

_CONNECT_SECONDS = 10
_LOOK_AT_STOP_SECONDS = 0.2


def missing_library() -> str | None:
    """Say what is missing to ask PostgreSQL at all, or None."""
    try:
        require("psycopg", "postgres")
    except MissingExtra as missing:
        return str(missing)
    return None


@contextmanager
def connected(text: str, source: str, context: StepContext, database: str | None = None) -> Iterator[Any]:
    """Connect with a connection string that `source` gave, and commit each statement by itself.

    `database` takes the place of the one that the string names.

    Raises:
        StepError: it cannot be; or a statement fails, with the first line of what PostgreSQL says.
        StepTimeoutError: a statement was cancelled, since the step's time was up.
    """
    psycopg = require("psycopg", "postgres")
    try:
        which = {} if database is None else {"dbname": database}
        connection = psycopg.connect(text, autocommit=True, connect_timeout=_CONNECT_SECONDS, **which)
    except psycopg.OperationalError as error:
        raise StepError(f"PostgreSQL: {str(error).splitlines()[0]}") from None
    except psycopg.Error:  # its message repeats the connection string
        raise StepError(f"{source} holds no connection string of PostgreSQL") from None
    with connection, _cancelled_on_stop(connection, context):
        connection.add_notice_handler(lambda notice: context.output.say(str(notice.message_primary)))
        try:
            connection.execute(f"SET statement_timeout = {int(context.remaining() * 1000)}")
            yield connection
        except psycopg.errors.QueryCanceled:
            context.pause(0)
            raise StepTimeoutError("PostgreSQL did not finish in time") from None
        except psycopg.Error as error:
            raise StepError(f"PostgreSQL: {str(error).splitlines()[0]}") from None


def connection_string(file: Path) -> str:
    """Read it from a secret file.

    Raises:
        StepError: it cannot be read, or is empty.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StepError(f"{file} cannot be read: {type(error).__name__}") from None
    if not text:
        raise StepError(f"{file} holds no connection string of PostgreSQL: it is empty")
    return text


@contextmanager
def _cancelled_on_stop(connection: Any, context: StepContext) -> Iterator[None]:
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_AT_STOP_SECONDS):
            if context.stop.is_set():
                connection.cancel()
                return

    watcher = threading.Thread(target=watch, name="cancel-on-stop", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()
