"""Statements that are made once, and carried out by the database's driver.

They are written with SQLAlchemy, for whichever database; but for each execution it takes longer than SQLite itself, and
a fix begins only after twenty of them.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Connection, Delete, Dialect, Insert, Select, Text, Update, bindparam, func, select
from sqlalchemy.exc import DBAPIError

from bridge.ledger.schema import AnyRow

Processor = Callable[[Any], Any] | None
"""What turns a value into what the driver takes, or back; None: it stays as it is."""


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Tell whether a column is among the values of a list of any length, which `listed` binds to `name`.

    By SQLite's `json_each`; values hold no NUL, at which that would end.
    """
    values = func.json_each(bindparam(name, type_=Text)).table_valued("value")
    return column.in_(select(values.c.value))


def listed(values: Iterable[str | int]) -> str:
    """Return what to bind where `among` wants a list."""
    return json.dumps(list(values))


def carry_out(connection: Connection, sql: str, values: Sequence[Any] = ()) -> Any:
    """Let the driver carry something out, and return its cursor; what goes wrong is raised as SQLAlchemy raises it."""
    dialect: Any = connection.dialect
    driver: Any = connection.connection.driver_connection
    try:
        return driver.execute(sql, values)
    except dialect.loaded_dbapi.Error as error:
        raise DBAPIError.instance(sql, values, error, dialect.loaded_dbapi.Error, dialect=dialect) from error


class Prepared:
    """One statement. What it is given fills its bound parameters, by their names."""

    def __init__(self, statement: Select[Any] | Insert | Update | Delete, *columns: str) -> None:
        """Take a statement; `columns` are those that an insert fills."""
        self._statement, self._columns = statement, columns or None
        self._made: dict[str, _Made] = {}

    def rows(self, connection: Connection, **values: Any) -> list[AnyRow]:
        """Return all rows that it finds; each is a tuple whose fields have the names of their columns."""
        made = self._for(connection.dialect)
        return made.read(self._execute(connection, made, values))

    def row(self, connection: Connection, **values: Any) -> AnyRow | None:
        """Return the first row that it finds, if there is one."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def value(self, connection: Connection, **values: Any) -> Any | None:
        """Return the first value of the first row; None: there is no row."""
        found = self.row(connection, **values)
        return None if found is None else found[0]

    def change(self, connection: Connection, **values: Any) -> int:
        """Change what it is about, and return how many rows that were."""
        count: int = self._execute(connection, self._for(connection.dialect), values).rowcount
        return count

    def each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Do it once for each of these."""
        made = self._for(connection.dialect)
        for values in rows:
            self._execute(connection, made, values)

    def _for(self, dialect: Dialect) -> "_Made":
        made = self._made.get(dialect.name)
        if made is None:
            made = self._made[dialect.name] = _Made.of(self._statement, self._columns, dialect)
        return made

    @staticmethod
    def _execute(connection: Connection, made: "_Made", values: Mapping[str, Any]) -> Any:
        if not connection.in_transaction():
            connection.begin()
        return carry_out(connection, made.sql, made.bind(values))


@dataclass(frozen=True)
class _Made:
    """A statement in the words of one database."""

    sql: str
    parameters: tuple[tuple[str, Processor], ...]
    """In the order in which the driver wants them."""
    fixed: Mapping[str, Any]
    """Those whose values the statement itself gives."""
    make_row: Callable[[Iterable[Any]], Any]
    results: tuple[Processor, ...]
    """Of each column; empty where all stay as they are."""

    @classmethod
    def of(cls, statement: Any, columns: tuple[str, ...] | None, dialect: Dialect) -> "_Made":
        """Compile one."""
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        binds = compiled.binds
        order = [(name, _processor(binds[name].type, dialect, "bind_processor")) for name in compiled.positiontup]
        fixed = {name: given.effective_value for name, given in binds.items() if not given.required}
        found = list(statement.exported_columns)
        results = tuple(_processor(column.type, dialect, "result_processor", None) for column in found)
        names = [str(column.key) for column in found]
        row: Any = namedtuple("Row", names, rename=True)  # type: ignore[misc] # its fields are the statement's
        return cls(str(compiled), tuple(order), fixed, row._make, results if any(results) else ())

    def bind(self, values: Mapping[str, Any]) -> list[Any]:
        """Put values in their places."""
        given = {**self.fixed, **values}
        return [given[name] if process is None else process(given[name]) for name, process in self.parameters]

    def read(self, cursor: Any) -> list[AnyRow]:
        """Make rows of what the driver found."""
        if not self.results:
            return [self.make_row(row) for row in cursor]
        return [
            self.make_row(
                [value if process is None else process(value) for value, process in zip(row, self.results, strict=True)]
            )
            for row in cursor
        ]


def _processor(kind: Any, dialect: Dialect, which: str, *more: Any) -> Processor:
    found: Processor = getattr(kind.dialect_impl(dialect), which)(dialect, *more)
    return found
