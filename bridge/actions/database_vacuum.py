"""Give back the room that deleted rows leave in a database."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, ClassVar, Self

from pydantic import StringConstraints, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError, Touched
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import place_refusal
from bridge.actions.host.postgres import connected, connection_string
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import database, looked_at
from remedy.config.extras import MissingExtra, require

TableName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,62}(\.[A-Za-z_][A-Za-z0-9_]{0,62})?$")]
_LOCK_SECONDS = 5
_ENVIRONMENT = "DATABASE_URL"


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
        if self.sqlite is not None:
            return f"vacuum {self.sqlite} ({spell_size(looked_at(self.sqlite, context).st_size)})"
        return f"vacuum {', '.join(self.tables) or 'all tables'}"

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
        if self.postgresql_file is not None:
            self._vacuum(connection_string(self.postgresql_file), str(self.postgresql_file), context)
            return f"vacuumed and analysed {', '.join(self.tables) or 'all tables'}"
        text = _of_environment(os.environ)
        with connected(text, _ENVIRONMENT, context) as server:
            rows = server.execute("SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate").fetchall()
        names = sorted(name for (name,) in rows)
        for name in names:
            context.pause(0)
            self._vacuum(text, _ENVIRONMENT, context, name)
        return f"vacuumed and analysed {len(names)} databases: {', '.join(names)}"

    def _vacuum(self, text: str, source: str, context: StepContext, database: str | None = None) -> None:
        psycopg = require("psycopg", "postgres")
        names = [psycopg.sql.Identifier(*table.split(".")) for table in self.tables]
        statement = psycopg.sql.SQL("VACUUM (ANALYZE) {}").format(psycopg.sql.SQL(", ").join(names))
        with connected(text, source, context, database) as connection:
            connection.execute(f"SET lock_timeout = '{_LOCK_SECONDS}s'")
            connection.execute(statement)


def _of_environment(environment: Mapping[str, str]) -> str:
    """Return DATABASE_URL without the name of a driver; libpq itself looks at PGHOST and its like."""
    return re.sub(r"^postgres(ql)?(\+\w+)?://", "postgresql://", environment.get("DATABASE_URL", ""))


def _room(file: Path, needed: int) -> None:
    file_system = os.statvfs(file)
    free = file_system.f_bavail * file_system.f_frsize
    if free < needed:
        raise StepError(f"there is no room for it: {spell_size(free)} free, {spell_size(needed)} needed")
