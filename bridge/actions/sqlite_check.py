"""See whether a SQLite database is whole."""

from collections.abc import Iterator
from typing import ClassVar

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import place_refusal
from bridge.actions.host.sqlite import database, problems


class SqliteCheck(Action):
    """See whether a SQLite database is whole (`PRAGMA integrity_check`); it fails where it is not.

    **Changes** nothing. **Needs** the file in `allow.roots`; in WAL mode, while nobody else has it open, also leave to
    write in its folder. **Idempotent**: yes. **Backed up**: nothing.

    Example:
        - sqlite_check: {database: /srv/itsm/data/itsm.db}
    """

    idempotent: ClassVar[bool] = True

    database: AbsolutePath
    """The file, inside an allowed root."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the file if no root holds it."""
        why = place_refusal(self.database, allow)
        if why:
            yield "database", why

    def plan(self, context: StepContext) -> str:
        """Say what is looked at."""
        del context
        return f"check the integrity of {self.database}"

    def run(self, context: StepContext) -> str:
        """Ask SQLite."""
        with database(self.database, context, read_only=True) as connection:
            found = problems(connection)
        for line in found:
            context.output.say(line)
        if found:
            raise StepError(f"{self.database} is damaged: {found[0]}")
        return f"{self.database} is whole"
