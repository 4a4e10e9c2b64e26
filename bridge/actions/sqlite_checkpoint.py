"""Empty the write-ahead log of a SQLite database."""

from collections.abc import Iterator
from typing import ClassVar

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import place_refusal
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import database, looked_at


class SqliteCheckpoint(Action):
    """Move what stands in a SQLite database's write-ahead log into the database, and empty the log.

    **Changes**: the `-wal` file shrinks to nothing; the data stay the same. It is what to do instead of deleting `-wal`
    or `-shm`, which loses committed data. **Needs** the file in `allow.roots`. **Idempotent**: yes. **Backed up**:
    nothing, since nothing is lost. It fails when somebody reads for longer than the step may take.

    Example:
        - sqlite_checkpoint: {database: /srv/itsm/data/itsm.db}
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
        """Say how large the log is."""
        looked_at(self.database, context)
        return f"checkpoint {self.database}, whose write-ahead log has {spell_size(self._log_size())}"

    def run(self, context: StepContext) -> str:
        """Checkpoint it."""
        before = self._log_size()
        with database(self.database, context) as connection:
            (mode,) = connection.execute("PRAGMA journal_mode").fetchone()
            if mode != "wal":
                return f"{self.database} has no write-ahead log (journal mode {mode})"
            busy, _, _ = connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        if busy:
            raise StepError(f"{self.database}: somebody is reading or writing, so its log could not be emptied")
        return f"emptied the write-ahead log of {self.database}: it had {spell_size(before)}"

    def _log_size(self) -> int:
        try:
            return self.database.with_name(f"{self.database.name}-wal").lstat().st_size
        except OSError:
            return 0
