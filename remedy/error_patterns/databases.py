"""Which databases the file knows of: those that its health checks look at, and that of `project_config`."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from remedy.error_patterns import values
from remedy.error_patterns.place import Place
from remedy.error_patterns.reading import Keys

SQLITE = frozenset({"sqlite", "sqlite3"})
POSTGRESQL = frozenset({"postgresql", "postgres", "pg", "psql", "pg_isready"})
PATHS = ("path", "db_path", "database", "database_path", "file")
"""Spellings of where a SQLite file is."""


@dataclass(frozen=True)
class Databases:
    """What a vacuum of "all" means."""

    sqlite: tuple[Path, ...] = ()
    postgresql: bool = False


def databases(checks: list[Keys], project: Keys, place: Place) -> Databases:
    """Look for them."""
    kinds = [(check, check.get(values.text, "type", "kind", default="").lower()) for check in checks]
    named = [
        check.get(values.text, *PATHS, default="") for check, kind in kinds if kind in SQLITE or kind == "database"
    ]
    named.append(project.get(values.text, "db_path", default=""))
    server = any(kind in POSTGRESQL for _, kind in kinds)
    files = dict.fromkeys(_placed(place, named))
    return Databases(tuple(files), server or (not files and "DATABASE_URL" in place.environment))


def _placed(place: Place, named: list[str]) -> Iterator[Path]:
    for name in filter(None, named):
        with suppress(ValueError):  # the check itself says so
            yield place.path(name)
