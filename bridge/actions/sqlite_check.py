"""See whether a SQLite database is whole."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import ClassVar

from bridge.actions.base import Action, Allow, StepContext, StepError, StepTimeoutError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import opened, place, place_refusal
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import DamagedError, database, looked_at, problems
from bridge.actions.host.sqlite_recovery import recover


class SqliteCheck(Action):
    """See whether a SQLite database is whole (`PRAGMA integrity_check`); it fails where it is not.

    **Changes** nothing; with `recover_to` it makes a new database with what can still be read of a damaged one, which
    itself stays as it is. **Needs** the file in `allow.roots`; in WAL mode, while nobody else has it open, also leave
    to write in its folder; for `recover_to` the program `sqlite3`, and three times the room. **Idempotent**: yes.
    **Backed up**: nothing.

    Recovered is what SQLite's `.recover` finds, or its `.dump` where `sqlite3` was built without that (Debian 12): it
    may lack rows, and hold rows that were deleted, so a person decides whether to go on with it.

    Example:
        - sqlite_check: {database: /srv/itsm/data/itsm.db, recover_to: /srv/itsm/recovered}
    """

    idempotent: ClassVar[bool] = True

    database: AbsolutePath
    """The file, inside an allowed root."""
    recover_to: AbsolutePath | None = None
    """A folder inside an allowed root, for `NAME-recovered-YYYYmmddTHHMMSSZ.db`."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield what no root holds."""
        for field, path in (("database", self.database), ("recover_to", self.recover_to)):
            if path is not None and (why := place_refusal(path, allow)):
                yield field, why

    def plan(self, context: StepContext) -> str:
        """Say what is looked at."""
        size = spell_size(looked_at(self.database, context).st_size)
        recovered = f", and recover it into {self.recover_to} if it is damaged" if self.recover_to else ""
        return f"check the integrity of {self.database} ({size}){recovered}"

    def run(self, context: StepContext) -> str:
        """Ask SQLite."""
        try:
            with database(self.database, context, read_only=True) as connection:
                found = problems(connection)
        except DamagedError as damaged:
            found = [str(damaged)]
        for line in found:
            context.output.say(line)
        if found:
            raise StepError(f"{self.database} is damaged: {found[0].splitlines()[-1]}{self._recovered(context)}")
        return f"{self.database} is whole"

    def _recovered(self, context: StepContext) -> str:
        if self.recover_to is None:
            return ""
        name = f"{self.database.stem}-recovered-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
        try:
            with opened(place(self.recover_to, context.allow)) as folder:
                done = recover(self.database, folder, name, context)
        except StepTimeoutError:
            raise
        except StepError as error:
            return f"; it could not be recovered: {error}"
        return f"; what can be read, {done}, stands in {self.recover_to / name}"
