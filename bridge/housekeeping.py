"""The chores of the ledger: a clock that was set, and a record that must not grow for ever."""

from sqlalchemy import Connection

from bridge.ledger import clock, retention
from bridge.ledger.store import Ledger, LedgerError
from bridge.steady import TOLERANCE_SECONDS, SteadyClock
from remedy.config.logger import structlog

_PIECES = 20
"""Of the record that are dropped in one go at most; several millions of episodes a day."""


class Housekeeping:
    """Called between rounds."""

    def __init__(self, ledger: Ledger, now: SteadyClock) -> None:
        self._ledger, self._clock = ledger, now
        self._log = structlog.get_logger("housekeeping")

    def begin(self, memory: float) -> None:
        """At start: see whether the clock was set since the last process worked. See `look_at_clock` for `memory`.

        After another start of the machine only a clock that is behind the record can be noticed.
        """
        now = self._clock()
        with self._ledger.read() as connection:
            known = clock.jumped(connection, *self._moment())
            behind = clock.ahead(connection, now)
        if known is not None and abs(known) > TOLERANCE_SECONDS:
            self._say(known)
            self._ledger.write(lambda connection: self._shift(connection, known, min(now, now - known) - memory))
        elif known is None and behind > TOLERANCE_SECONDS:
            self._say(-behind)
            self._ledger.write(lambda connection: clock.set_back(connection, behind, now))
        self._ledger.write(self._remember)

    def look_at_clock(self, memory: float) -> bool:
        """Tell whether the clock was set. The ledger's times, and ours, have followed it then.

        `memory` is how many seconds back a decision may look into what is over.
        """
        by = self._clock.jump()
        if not by:
            return False
        self._say(by)
        after = min(self._clock(), self._clock() + by) - memory

        moved: list[float] = []

        def move(connection: Connection) -> None:
            self._shift(connection, by, after)
            self._clock.move(by)
            moved.append(by)
            self._remember(connection)

        try:
            self._ledger.write(move)
        except LedgerError:
            self._clock.move(-sum(moved))
            raise
        return True

    def put_forward(self) -> float:
        """Return by how many seconds what was kept seems older than it is.

        Who sets a wrong year by mistake, and then the right one, must find the record, and the backups, as they were.
        """
        with self._ledger.read() as connection:
            return clock.put_forward(connection, self._clock.boot())

    def forget(self, keep: float) -> None:
        """Drop a part of what ended more than `keep` seconds ago, in small pieces: others write between them."""
        before = self._clock() - keep - self.put_forward()
        for _ in range(_PIECES):
            if self._ledger.write(lambda connection: retention.forget(connection, before)) < retention.AT_ONCE:
                return

    def _shift(self, connection: Connection, by: float, after: float) -> None:
        clock.shift(connection, by, after)
        clock.note_forward(connection, self._clock.boot(), by)

    def _remember(self, connection: Connection) -> None:
        clock.remember(connection, *self._moment())

    def _moment(self) -> tuple[str, float, float]:
        return self._clock.boot(), self._clock.monotonic(), self._clock.wall()

    def _say(self, by: float) -> None:
        self._log.warning("the clock was set", seconds=round(by, 1))
