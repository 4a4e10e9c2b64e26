"""Statements that are made once, and carried out by the database's driver.

They are written with SQLAlchemy, for whichever database; but for each execution it takes longer than SQLite itself, and
a fix begins only after twenty of them.
"""

import json
from collections import namedtuple
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import starmap
from operator import itemgetter
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Delete,
    Dialect,
    Float,
    Insert,
    Select,
    Text,
    Update,
    bindparam,
    func,
    select,
)
from sqlalchemy.exc import DBAPIError

from bridge.ledger.schema import AnyRow

_DRIVER = "driver"
_spell = json.encoder.encode_basestring_ascii
Processor = Callable[[Any], Any]
"""What turns a value into what the driver takes, or back."""


def among(column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """Tell whether a column is among the values of a list of any length, which `listed` binds to `name`.

    By SQLite's `json_each`; values hold no NUL, at which that would end.
    """
    values = func.json_each(bindparam(name, type_=Text)).table_valued("value")
    return column.in_(select(values.c.value))


def listed(values: Iterable[str | int]) -> str:
    """Return what to bind where `among` wants a list: JSON, without the encoder that `dumps` makes each time."""
    return f"[{','.join([_spell(value) if isinstance(value, str) else str(value) for value in values])}]"


def keep_driver(connection: Connection) -> None:
    """Let `carry_out` find the driver of a connection at once; for one that is used as long as it exists."""
    connection.execution_options(**{_DRIVER: connection.connection.driver_connection})


def carry_out(connection: Connection, sql: str, values: Sequence[Any] = (), *, many: bool = False) -> Any:
    """Let the driver carry something out, and return its cursor; `many`: once for each of the values.

    What goes wrong is raised as SQLAlchemy raises it.
    """
    dialect: Any = connection.dialect
    driver: Any = connection.get_execution_options().get(_DRIVER) or connection.connection.driver_connection
    try:
        return driver.executemany(sql, values) if many else driver.execute(sql, values)
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
        made = self._made.get(connection.dialect.name) or self._make(connection.dialect)
        return made.read(carry_out(connection, made.sql, made.bind(values)))

    def row(self, connection: Connection, **values: Any) -> AnyRow | None:
        """Return the first row that it finds, if there is one."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def value(self, connection: Connection, **values: Any) -> Any | None:
        """Return the first value of the first row; None: there is no row."""
        found = self.rows(connection, **values)
        return found[0][0] if found else None

    def change(self, connection: Connection, **values: Any) -> int:
        """Change what it is about, and return how many rows that were."""
        made = self._made.get(connection.dialect.name) or self._make(connection.dialect)
        count: int = carry_out(connection, made.sql, made.bind(values)).rowcount
        return count

    def each(self, connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
        """Do it once for each of these."""
        made = self._made.get(connection.dialect.name) or self._make(connection.dialect)
        if bound := [made.bind(values) for values in rows]:
            carry_out(connection, made.sql, bound, many=True)

    def _make(self, dialect: Dialect) -> "_Made":
        made = self._made[dialect.name] = _Made.of(self._statement, self._columns, dialect)
        return made


@dataclass(frozen=True)
class _Made:
    """A statement in the words of one database."""

    sql: str
    pick: Callable[[Mapping[str, Any]], Sequence[Any]]
    """Takes what is bound in the order in which the driver wants it."""
    given: Mapping[int, Processor]
    """Which of these are turned into something else, by place."""
    fixed: Mapping[str, Any]
    """Those whose values the statement itself gives."""
    row: Callable[..., Any]
    found: Mapping[int, Processor]
    """Which columns are turned into something else, by place."""

    @classmethod
    def of(cls, statement: Any, columns: tuple[str, ...] | None, dialect: Dialect) -> "_Made":
        """Compile one."""
        compiled: Any = statement.compile(dialect=dialect, column_keys=columns)
        binds, order = compiled.binds, compiled.positiontup
        found = list(statement.exported_columns)
        row: Any = namedtuple("Row", [str(column.key) for column in found], rename=True)  # type: ignore[misc] # its fields are the statement's
        return cls(
            sql=str(compiled),
            pick=_picking(order),
            given=_processors("bind_processor", [binds[name].type for name in order], dialect),
            fixed={name: given.effective_value for name, given in binds.items() if not given.required},
            row=row,
            found=_processors("result_processor", [column.type for column in found], dialect, None),
        )

    def bind(self, values: Mapping[str, Any]) -> Sequence[Any]:
        """Put values in their places."""
        bound = self.pick({**self.fixed, **values} if self.fixed else values)
        return _turned(bound, self.given) if self.given else bound

    def read(self, cursor: Any) -> list[AnyRow]:
        """Make rows of what the driver found."""
        return list(starmap(self.row, (_turned(row, self.found) for row in cursor) if self.found else cursor))


def _picking(names: Sequence[str]) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    if len(names) == 1:
        (only,) = names
        return lambda values: (values[only],)
    return itemgetter(*names) if names else lambda _values: ()


def _turned(values: Sequence[Any], processors: Mapping[int, Processor]) -> list[Any]:
    turned = list(values)
    for place, process in processors.items():
        turned[place] = process(turned[place])
    return turned


def _processors(which: str, kinds: Sequence[Any], dialect: Dialect, *more: Any) -> dict[int, Processor]:
    """Find what SQLAlchemy would do with values, by place. What is a float stays one."""
    wanted = {place: kind.dialect_impl(dialect) for place, kind in enumerate(kinds) if not isinstance(kind, Float)}
    found = {place: getattr(kind, which)(dialect, *more) for place, kind in wanted.items()}
    return {place: process for place, process in found.items() if process is not None}
