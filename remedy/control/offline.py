"""The record where no bridge is at work, such as between two calls of `remedy run --once`: read from the ledger itself.

The lock beside the ledger is held meanwhile, so that no bridge begins to write it.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from bridge.actions.backups.store import BackupStore
    from bridge.core import Bridge
    from bridge.ledger.store import Ledger
    from bridge.policy.remediation import Policy

_ERROR = 400


@dataclass(frozen=True)
class _Shelf:
    """What of a bridge the record is read from."""

    ledger: "Ledger"
    backups: "BackupStore"


def read_record(policy: "Policy", path: str) -> Any | None:
    """Answer a GET of the record as the bridge would; None where there is no ledger, or a bridge works on it.

    Raises:
        click.ClickException: it is refused, or the ledger cannot be used; the message says why.
    """
    from flask import Flask, g  # noqa: PLC0415 - rarely needed
    from werkzeug.exceptions import HTTPException  # noqa: PLC0415

    from bridge.web.record import record_blueprint  # noqa: PLC0415

    with _shelf(policy) as shelf:
        if shelf is None:
            return None
        app = Flask(__name__)
        app.register_blueprint(record_blueprint(cast("Bridge", shelf)))
        app.register_error_handler(HTTPException, lambda error: ({"error": error.description}, error.code))
        app.before_request(lambda: setattr(g, "may_see_output", True))
        answer = app.test_client().get(path)
        if answer.status_code >= _ERROR:
            raise click.ClickException(answer.get_json()["error"])
        return answer.get_json()


@contextmanager
def _shelf(policy: "Policy") -> Iterator[_Shelf | None]:
    from bridge.actions.backups.store import BackupStore  # noqa: PLC0415
    from bridge.ledger.store import Ledger, LedgerError  # noqa: PLC0415
    from bridge.lock import LedgerLock  # noqa: PLC0415
    from bridge.steady import SteadyClock  # noqa: PLC0415

    file, settings, lock = policy.ledger_file, policy.settings, LedgerLock(policy.ledger_file)
    try:
        if not file.is_file() or not lock.take():
            yield None
            return
    except OSError:
        yield None
        return
    try:
        ledger = Ledger(settings.database, reserve=settings.reserve)
    except LedgerError as wrong:
        lock.release()
        raise click.ClickException(str(wrong)) from None
    try:
        yield _Shelf(ledger, BackupStore(file.parent / "backups", lambda: settings.backups, SteadyClock()))
    finally:
        ledger.close()
        lock.release()
