"""With which configuration the decisions were made that stand in the ledger."""

from sqlalchemy import Connection, delete, insert, select

from bridge.ledger.schema import meta

_KEY = "configuration"


def known(connection: Connection) -> str | None:
    """Return what named it; None: nobody has said."""
    name: str | None = connection.scalar(select(meta.c.value).where(meta.c.key == _KEY))
    return name


def remember(connection: Connection, name: str) -> None:
    """Write it down."""
    connection.execute(delete(meta).where(meta.c.key == _KEY))
    connection.execute(insert(meta).values(key=_KEY, value=name))
