"""The record, pauses and breakers where no bridge is at work, as between two calls of `remedy run --once`.

It is the ledger itself that is read and written then; the lock beside it is held meanwhile, so that no bridge begins.
"""

import os
import pwd
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from bridge.actions.backups.store import BackupStore
    from bridge.core import Bridge
    from bridge.ledger.store import Ledger
    from bridge.policy.remediation import Policy
    from bridge.steady import SteadyClock


@dataclass(frozen=True)
class _Shelf:
    """What of a bridge these need."""

    policy: "Policy"
    ledger: "Ledger"
    backups: "BackupStore"
    now: "SteadyClock"

    def change(self, work: "Callable[[Connection], bool]") -> bool:
        """See `Bridge.change`; nobody is there to be woken."""
        return self.ledger.write(work)


def answer(policy: "Policy", method: str, path: str, body: bytes) -> tuple[int, Any] | None:
    """Answer a request as the bridge would, with status and JSON; None: there is no ledger, or a bridge works on it.

    Raises:
        click.ClickException: the ledger cannot be used; the message says why.
    """
    from flask import Flask, g  # noqa: PLC0415 - rarely needed
    from werkzeug.exceptions import HTTPException  # noqa: PLC0415

    from bridge.web.controls import controls_blueprint  # noqa: PLC0415
    from bridge.web.record import record_blueprint  # noqa: PLC0415

    with _shelf(policy) as shelf:
        if shelf is None:
            return None
        app = Flask(__name__)
        for blueprint in (record_blueprint, controls_blueprint):
            app.register_blueprint(blueprint(cast("Bridge", shelf)))
        app.register_error_handler(HTTPException, lambda error: ({"error": error.description}, error.code))

        @app.before_request
        def by_us() -> None:
            g.may_see_output, g.who = True, _our_name()

        given = app.test_client().open(path, method=method, data=body, content_type="application/json")
        return given.status_code, given.get_json()


def _our_name() -> str:
    with suppress(KeyError):
        return pwd.getpwuid(os.getuid()).pw_name
    return f"uid {os.getuid()}"


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
        clock = SteadyClock()
        yield _Shelf(policy, ledger, BackupStore(file.parent / "backups", lambda: settings.backups, clock), clock)
    finally:
        ledger.close()
        lock.release()
