"""End whoever keeps a database locked."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar, Self

from pydantic import model_validator

from bridge.actions.base import Action, Allow, StepContext, StepRefusedError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.file_locks import writers_locking
from bridge.actions.host.folders import opened_file, place, place_refusal
from bridge.actions.host.matching import Expected
from bridge.actions.host.postgres import connected, connection_string, missing_library
from bridge.actions.host.postgres_sessions import ExpectedSession, blocking, end
from bridge.actions.host.processes import Process, hold, stop_surely, untouchable
from remedy.config.durations import Duration, format_duration

_LOOK_AGAIN_SECONDS = 0.1


class UnlockDatabase(Action):
    """End who keeps a database locked, if it is the one that is expected to hang.

    **Changes**: with SQLite, the process that holds a lock for writing ends: SIGTERM, after `grace` SIGKILL, its
    children too. With PostgreSQL, the session for which others wait: its statement is cancelled, and where it still
    holds on after `grace`, it is ended. What was not committed is rolled back. **Needs** the file in `allow.roots` and
    the right to signal; for PostgreSQL the extra `postgres`, and a role that may (its own, or `pg_signal_backend`); the
    name of the process, or of the application, in `allow.processes`. **Idempotent**: yes. **Backed up**: nothing: no
    file of the database is touched.

    A lock counts only if the same process, or transaction, has held it all through `held_for`. Every holder must look
    as expected, else none is touched. A database that nobody locks is a success.

    Example:
        - unlock_database: {database: /srv/itsm/data/itsm.db, expect: {name: itsm-worker}, held_for: 10s}
        - unlock_database: {postgresql_file: /etc/remedy/itsm.dsn, session: {application: itsm-worker}, held_for: 1m}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_KILL"})

    database: AbsolutePath | None = None
    """A SQLite file, inside an allowed root. This or `postgresql_file`."""
    expect: Expected | None = None
    """What the process must look like: `name` or `command_line` (a regular expression), and `user`."""
    postgresql_file: AbsolutePath | None = None
    """A secret file that holds a PostgreSQL connection string; its database is looked at."""
    session: ExpectedSession | None = None
    """What the session must look like: `application` (its `application_name`), and `user` (its role)."""
    held_for: Duration = timedelta(seconds=10)
    """How long the lock must have been held without a break."""
    grace: Duration = timedelta(seconds=10)
    """How long it may take to end."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.database is None) == (self.postgresql_file is None):
            raise ValueError("takes exactly one of database and postgresql_file")
        if (self.database is None) != (self.expect is None) or (self.postgresql_file is None) != (self.session is None):
            raise ValueError("database goes with expect, and postgresql_file with session")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the file if no root holds it, and a name that is not allowed."""
        if self.database is not None and (why := place_refusal(self.database, allow)):
            yield "database", why
        if self.session is not None and self.session.application not in allow.processes:
            yield "session.application", f"'{self.session.application}' is not in allow.processes"
        if self.postgresql_file is not None and (why := missing_library()):
            yield "postgresql_file", why
        if self.expect is not None and self.expect.name is not None and self.expect.name not in allow.processes:
            yield "expect.name", f"'{self.expect.name}' is not in allow.processes"

    def plan(self, context: StepContext) -> str:
        """Say who holds a lock now."""
        held_for = format_duration(self.held_for)
        if self.database is not None:
            pids = ", ".join(map(str, sorted(_holders(self.database)))) or "nobody"
            return f"end who locks {self.database} for {held_for}; now it is {pids}"
        with _connected(Path(str(self.postgresql_file)), context) as connection:
            sessions = ", ".join(map(str, blocking(connection))) or "nobody"
        return f"end who keeps others waiting for {held_for}; now it is {sessions}"

    def run(self, context: StepContext) -> str:
        """Watch the lock, and end its holder."""
        self.refuse(context)
        if self.database is not None and self.expect is not None:
            return self._sqlite(self.database, self.expect, context)
        if self.postgresql_file is not None and self.session is not None:
            return self._postgresql(self.postgresql_file, self.session, context)
        raise ValueError("neither database nor postgresql_file")

    def _sqlite(self, file: Path, expect: Expected, context: StepContext) -> str:
        with opened_file(place(file, context.allow)):
            pass  # it is there, and no symlink
        with ExitStack() as kept:
            held = [kept.enter_context(process) for pid in _holders(file) if (process := hold(pid))]
            stubborn = self._through(held, file, context)
            for process in stubborn:
                _refuse(process, file, expect, context.allow)
            for process in stubborn:
                context.output.say(stop_surely(process, context, self.grace.total_seconds()))
        if not stubborn:
            return f"nobody keeps {file} locked"
        return f"{file} is unlocked: {len(stubborn)} processes were ended"

    def _postgresql(self, file: Path, expect: ExpectedSession, context: StepContext) -> str:
        with _connected(file, context) as connection:
            stubborn, left = blocking(connection), self.held_for.total_seconds()
            while stubborn and left > 0:
                context.pause(min(_LOOK_AGAIN_SECONDS, left))
                left -= _LOOK_AGAIN_SECONDS
                now = {session.key for session in blocking(connection)}
                stubborn = [session for session in stubborn if session.key in now]
            for session in stubborn:
                if not session.fits(expect):
                    raise StepRefusedError(
                        f"{session} keeps {session.waiting} others waiting, but {expect} was expected"
                    )
            for session in stubborn:
                context.output.say(end(connection, session, self.grace.total_seconds(), context))
        if not stubborn:
            return "nobody keeps others waiting"
        return f"{len(stubborn)} sessions that kept others waiting let go"

    def _through(self, held: list[Process], file: Path, context: StepContext) -> list[Process]:
        """Return those that hold a lock at every look."""
        left, wait = held, self.held_for.total_seconds()
        while left and wait > 0:
            context.pause(min(_LOOK_AGAIN_SECONDS, wait))
            wait -= _LOOK_AGAIN_SECONDS
            now = _holders(file)
            left = [process for process in left if process.pid in now and not process.ended()]
        return left


def _connected(file: Path, context: StepContext) -> AbstractContextManager[Any]:
    return connected(connection_string(file), str(file), context)


def _holders(file: Path) -> set[int]:
    """Return the pids that lock the database: its file, or in WAL mode the index of its log."""
    return writers_locking(file) | writers_locking(file.with_name(f"{file.name}-shm"))


def _refuse(process: Process, file: Path, expect: Expected, allow: Allow) -> None:
    if not expect.fits(process):
        raise StepRefusedError(f"{process} locks {file}, but its {expect} was expected")
    if process.name not in allow.processes:
        raise StepRefusedError(f"{process}: its name '{process.name}' is not in allow.processes")
    if why := untouchable(process):
        raise StepRefusedError(f"{process} locks {file}, but {why}")
