"""End the process that keeps a SQLite database locked."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import ClassVar

from bridge.actions.base import Action, Allow, StepContext, StepRefusedError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.file_locks import writers_locking
from bridge.actions.host.folders import opened_file, place, place_refusal
from bridge.actions.host.matching import Expected
from bridge.actions.host.processes import Process, hold, stop_surely, untouchable
from remedy.config.durations import Duration, format_duration

_LOOK_AGAIN_SECONDS = 0.1


class UnlockDatabase(Action):
    """End the process that keeps a SQLite database locked for writing, if it is the one that is expected to hang.

    **Changes**: the process ends: SIGTERM, after `grace` SIGKILL, its children too; what it had not committed is rolled
    back by SQLite. **Needs** the file in `allow.roots`, the name of the process in `allow.processes`, and the right to
    signal it. **Idempotent**: yes. **Backed up**: nothing: no file of the database is touched.

    A lock counts only if the same process has held it all through `held_for`. Every holder must look like `expect`,
    else none is touched. A database that nobody locks is a success.

    Example:
        - unlock_database: {database: /srv/itsm/data/itsm.db, expect: {name: itsm-worker}, held_for: 10s}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_KILL"})

    database: AbsolutePath
    """The file, inside an allowed root."""
    expect: Expected
    """What the holder must look like: `name` or `command_line` (a regular expression), and `user`."""
    held_for: Duration = timedelta(seconds=10)
    """How long the lock must have been held without a break."""
    grace: Duration = timedelta(seconds=10)
    """How long the process may take to end."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the file if no root holds it, and a name that is not allowed."""
        why = place_refusal(self.database, allow)
        if why:
            yield "database", why
        if self.expect.name is not None and self.expect.name not in allow.processes:
            yield "expect.name", f"'{self.expect.name}' is not in allow.processes"

    def plan(self, context: StepContext) -> str:
        """Say who holds a lock now."""
        del context
        pids = ", ".join(map(str, sorted(self._holders()))) or "nobody"
        return f"end who locks {self.database} for {format_duration(self.held_for)}; now it is {pids}"

    def run(self, context: StepContext) -> str:
        """Watch the lock, and end its holder."""
        for field, why in self.refusals(context.allow):
            raise StepRefusedError(f"{field}: {why}")
        with opened_file(place(self.database, context.allow)):
            pass  # it is there, and no symlink
        with ExitStack() as kept:
            held = [kept.enter_context(process) for pid in self._holders() if (process := hold(pid))]
            stubborn = self._through(held, context)
            for process in stubborn:
                self._refuse(process, context.allow)
            for process in stubborn:
                context.output.say(stop_surely(process, context, self.grace.total_seconds()))
        if not stubborn:
            return f"nobody keeps {self.database} locked"
        return f"{self.database} is unlocked: {len(stubborn)} processes were ended"

    def _holders(self) -> set[int]:
        """Return the pids that lock the database: its file, or in WAL mode the index of its log."""
        shared = self.database.with_name(f"{self.database.name}-shm")
        return writers_locking(self.database) | writers_locking(shared)

    def _through(self, held: list[Process], context: StepContext) -> list[Process]:
        """Return those that hold a lock at every look."""
        left, wait = held, self.held_for.total_seconds()
        while left and wait > 0:
            context.pause(min(_LOOK_AGAIN_SECONDS, wait))
            wait -= _LOOK_AGAIN_SECONDS
            now = self._holders()
            left = [process for process in left if process.pid in now and not process.ended()]
        return left

    def _refuse(self, process: Process, allow: Allow) -> None:
        if not self.expect.fits(process):
            raise StepRefusedError(f"{process} locks {self.database}, but its {self.expect} was expected")
        if process.name not in allow.processes:
            raise StepRefusedError(f"{process}: its name '{process.name}' is not in allow.processes")
        if why := untouchable(process):
            raise StepRefusedError(f"{process} locks {self.database}, but {why}")
