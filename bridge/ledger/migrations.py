"""The ledger's versions: each migration takes it from the version before to its own, all in one transaction."""

from collections.abc import Callable, Mapping

from sqlalchemy import Connection, insert, inspect, select, update

from bridge.ledger.schema import METADATA, meta

Migration = Callable[[Connection], None]
MIGRATIONS: Mapping[int, Migration] = {}
"""By the version that each one makes. The first version is the schema as it was first released."""
_FIRST = 1
_KEY = "version"


class NewerLedgerError(Exception):
    """A newer version of the bridge made this ledger; the message is a sentence."""


def migrate(connection: Connection, migrations: Mapping[int, Migration] = MIGRATIONS) -> int:
    """Make the tables of a new ledger, or bring an older one up to date, and return its version.

    Raises:
        NewerLedgerError: it is of a version that is not known here.
    """
    newest = max(migrations, default=_FIRST)
    if not inspect(connection).has_table(meta.name):
        METADATA.create_all(connection)
        connection.execute(insert(meta).values(key=_KEY, value=str(newest)))
        return newest
    version = int(connection.scalar(select(meta.c.value).where(meta.c.key == _KEY)) or _FIRST)
    if version > newest:
        raise NewerLedgerError(f"it is of version {version}, and this bridge knows versions up to {newest} only")
    for number in range(version + 1, newest + 1):
        migrations[number](connection)
    connection.execute(update(meta).where(meta.c.key == _KEY).values(value=str(newest)))
    return newest


def touch(connection: Connection) -> None:
    """Write what is there already: whoever can do this can write."""
    connection.execute(update(meta).where(meta.c.key == _KEY).values(value=meta.c.value))
