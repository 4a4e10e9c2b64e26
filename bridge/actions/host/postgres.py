"""PostgreSQL, asked within a step's time: what the server does for us is cancelled when the bridge ends."""

import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from bridge.actions.base import StepContext, StepError, StepTimeoutError
from remedy.config.extras import MissingExtra, require

_CONNECT_SECONDS = 10
_LOOK_AT_STOP_SECONDS = 0.2
_LATE_SECONDS, _CANCEL_SECONDS = 0.5, 1.0


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
    with connection, _cancelled_in_time(connection, context):
        connection.add_notice_handler(lambda notice: context.output.say(str(notice.message_primary)))
        try:
            connection.execute(f"SET statement_timeout = {max(1, int(context.remaining() * 1000))}")
            yield connection
        except psycopg.errors.QueryCanceled:
            context.pause(0)
            raise StepTimeoutError("PostgreSQL did not finish in time") from None
        except psycopg.Error as error:
            context.pause(0)
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
def _cancelled_in_time(connection: Any, context: StepContext) -> Iterator[None]:
    """Cancel what the server does when the bridge ends; when it does not let go, or the time is up, cut it off."""
    done = threading.Event()

    def watch() -> None:
        while not done.wait(_LOOK_AT_STOP_SECONDS):
            if context.stop.is_set() or time.monotonic() > context.deadline + _LATE_SECONDS:
                with suppress(Exception):  # whatever it is: what cannot be cancelled is cut off
                    connection.cancel_safe(timeout=_CANCEL_SECONDS)
                if not done.wait(_CANCEL_SECONDS):
                    _cut_off(connection)
                return

    watcher = threading.Thread(target=watch, name="cancel in time", daemon=True)
    watcher.start()
    try:
        yield
    finally:
        done.set()
        watcher.join()


def _cut_off(connection: Any) -> None:
    """End a connection under whoever waits for it: a server that is stopped answers nobody."""
    with suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
