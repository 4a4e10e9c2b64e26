"""Give back the room that deleted rows leave in a database."""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

from pydantic import StringConstraints, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError, StepTimeoutError, Touched
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import place_refusal
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import database
from remedy.config.extras import MissingExtra, require

TableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$")]
_LOCK_SECONDS = 5
_CONNECT_SECONDS = 10
_LOOK_AT_STOP_SECONDS = 0.2


class DatabaseVacuum(Action):
    """Give back the room that deleted rows leave: SQLite's `VACUUM`, PostgreSQL's `VACUUM (ANALYZE)`.

    **Changes** the database's file, not its data. **Needs**, for SQLite, the file in `allow.roots` and, unless
    `incremental`, as much free room as the database has (it fails before it begins where there is less); for PostgreSQL
    the extra `postgres`, and a file with the connection string. **Idempotent**: yes. **Backed up**: the SQLite
    file, by SQLite's own backup; of PostgreSQL nothing. It gives up on a lock that others hold for long.

    Example:
        - database_vacuum: {sqlite: /srv/itsm/data/itsm.db, timeout: 5m}
        - database_vacuum: {postgresql_file: /etc/remedy/itsm.dsn, tables: [tickets]}
    """

    idempotent: ClassVar[bool] = True

    sqlite: AbsolutePath | None = None
    """A SQLite file, inside an allowed root. This or `postgresql_file`."""
    postgresql_file: AbsolutePath | None = None
    """A secret file that holds a PostgreSQL connection string."""
    postgresql_environment: bool = False
    """PostgreSQL: every database of the server that the bridge's environment names, by `DATABASE_URL` or `PGHOST`."""
    incremental: bool = False
    """SQLite: only give back free pages; the database must have been made with `auto_vacuum=INCREMENTAL`."""
    tables: tuple[TableName, ...] = ()
    """PostgreSQL: only these tables; else all."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if [self.sqlite is None, self.postgresql_file is None, not self.postgresql_environment].count(False) != 1:
            raise ValueError("takes exactly one of sqlite, postgresql_file and postgresql_environment")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the file if no root holds it, and a library that is missing."""
        if self.sqlite is not None and (why := place_refusal(self.sqlite, allow)):
            yield "sqlite", why
        if self.sqlite is None:
            try:
                require("psycopg", "postgres")
            except MissingExtra as missing:
                yield "postgresql_file" if self.postgresql_file else "postgresql_environment", str(missing)

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield the SQLite file."""
        del context
        if self.sqlite is not None:
            yield Touched(self.sqlite)

    def plan(self, context: StepContext) -> str:
        """Say what is vacuumed."""
        del context
        return f"vacuum {self.sqlite or ', '.join(self.tables) or 'all tables'}"

    def run(self, context: StepContext) -> str:
        """Vacuum it."""
        if self.sqlite is not None:
            return self._sqlite(self.sqlite, context)
        return self._postgresql(context)

    def _sqlite(self, file: Path, context: StepContext) -> str:
        with database(file, context) as connection:
            before = file.stat().st_size
            if self.incremental:
                (mode,) = connection.execute("PRAGMA auto_vacuum").fetchone()
                if mode != 2:  # noqa: PLR2004 - SQLite's number for INCREMENTAL
                    raise StepError(f"{file} was not made with auto_vacuum=INCREMENTAL")
                connection.execute("PRAGMA incremental_vacuum").fetchall()
            else:
                _room(file, before)
                connection.execute("VACUUM")
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        freed = before - file.stat().st_size
        return f"vacuumed {file}: {spell_size(max(0, freed))} given back"

    def _postgresql(self, context: StepContext) -> str:
        if not self.postgresql_environment:
            self._vacuum(self._connection_string(), context)
            return f"vacuumed and analysed {', '.join(self.tables) or 'all tables'}"
        with self._connected(text := _of_environment(os.environ)) as server:
            rows = server.execute("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate").fetchall()
        names = sorted(name for (name,) in rows)
        for name in names:
            context.pause(0)
            self._vacuum(text, context, name)
        return f"vacuumed and analysed {len(names)} databases: {', '.join(names)}"

    def _connected(self, text: str, database: str | None = None) -> Any:
        psycopg = require("psycopg", "postgres")
        which = {} if database is None else {"dbname": database}
        try:
            return psycopg.connect(text, autocommit=True, connect_timeout=_CONNECT_SECONDS, **which)
        except psycopg.OperationalError as error:
            raise StepError(f"PostgreSQL: {str(error).splitlines()[0]}") from None
        except psycopg.Error:  # its message repeats the connection string
            where = self.postgresql_file or "DATABASE_URL"
            raise StepError(f"{where} holds no connection string of PostgreSQL") from None

    def _vacuum(self, text: str, context: StepContext, database: str | None = None) -> None:
        psycopg = require("psycopg", "postgres")
        connection = self._connected(text, database)
        names = [psycopg.sql.Identifier(*table.split(".")) for table in self.tables]
        statement = psycopg.sql.SQL("VACUUM (ANALYZE) {}").format(psycopg.sql.SQL(", ").join(names))
        with connection, _cancelled_on_stop(connection, context):
            connection.add_notice_handler(lambda notice: context.output.say(str(notice.message_primary)))
            try:
                connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
                connection.execute(f"SET statement_timeout = {int(context.remaining() * 1000)}")
                connection.execute(statement)
            except psycopg.errors.QueryCanceled:
                context.pause(0)
                raise StepTimeoutError("PostgreSQL did not finish in time") from None
            except psycopg.Error as error:
                raise StepError(f"PostgreSQL: {str(error).splitlines()[0]}") from None

    def _connection_string(self) -> str:
        try:
            text = Path(str(self.postgresql_file)).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise StepError(f"{self.postgresql_file} cannot be read: {type(error).__name__}") from None
        if not text:
            raise StepError(f"{self.postgresql_file} holds no connection string of PostgreSQL: it is empty")
        return text


def _of_environment(environment: Mapping[str, str]) -> str:
    """Return DATABASE_URL without the name of a driver; libpq itself looks at PGHOST and its like."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", environment.get("DATABASE_URL", ""))


@contextmanager
def _cancelled_on_stop(connection: Any, context: StepContext) -> Iterator[None]:
    """Let the bridge's end cancel what the server is doing for this connection."""
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


def _room(file: Path, needed: int) -> None:
    file_system = os.statvfs(file)
    free = file_system.f_bavail * file_system.f_frsize
    if free < needed:
        raise StepError(f"there is no room for it: {spell_size(free)} free, {spell_size(needed)} needed")
