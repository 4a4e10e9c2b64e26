"""Remove locks that nobody holds any more."""

import os
import re
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import Place, exists, opened, opened_file, parent_of, place, place_refusal
from bridge.actions.host.slots import try_lock
from remedy.config.durations import Duration

_NAME = re.compile(r"workspace-(?P<repo>[A-Za-z0-9_][A-Za-z0-9._-]*)-(?P<slot>slot[0-9]{1,6})\.lock")


@dataclass(frozen=True)
class Cleaned:
    """How many locks were removed, and how many would have been, were they not held."""

    removed: int
    held: int

    def __str__(self) -> str:
        return f"removed {self.removed} locks" + (f"; {self.held} are held by somebody" if self.held else "")


class LockCleanup(Action):
    """Remove the locks of a repository pool that are orphaned (there is no such slot) or stale (old).

    **Changes**: deletes lock files in `WORKSPACES/locks`. **Needs** the pool's folder in `allow.roots`. **Idempotent**:
    yes. **Backed up**: nothing: a lock file is empty. One that somebody holds (flock) is never removed, not even with
    `only`: it is taken first, and removed while it is held.

    Example:
        - lock_cleanup: {workspaces: /srv/pool/workspaces, stale_after: 24h}
    """

    idempotent: ClassVar[bool] = True

    workspaces: AbsolutePath
    """The pool's folder, inside an allowed root."""
    stale_after: Annotated[Duration, Field(ge=timedelta(minutes=1))] = timedelta(hours=24)
    """A lock that nobody has touched for so long is stale."""
    orphaned_only: bool = False
    """Only locks that are both: old, and of a slot that does not exist."""
    only: (
        Annotated[str, StringConstraints(pattern=r"^workspace-[A-Za-z0-9_][A-Za-z0-9._-]*-slot[0-9]{1,6}$")] | None
    ) = None
    """Only this slot's lock (`workspace-REPO-slotN`), whatever its age."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folder if no root holds it."""
        why = place_refusal(self.workspaces, allow)
        if why:
            yield "workspaces", why

    def plan(self, context: StepContext) -> str:
        """Name the locks that would be removed now, were they held by nobody."""
        locks = self._folder(context)
        with opened(locks) as folder:
            named = [f"{name.removesuffix('.lock')} ({why})" for name, why in self._found(locks, folder, context)]
        return f"remove the locks of {', '.join(named)}, if nobody holds them" if named else "nothing: no lock is old"

    def run(self, context: StepContext) -> str:
        """Remove them."""
        return str(self.clean(context))

    def clean(self, context: StepContext) -> Cleaned:
        """Remove them, and say how many.

        Raises:
            StepError: the folder of the locks cannot be read.
        """
        locks, removed, held = self._folder(context), 0, 0
        with opened(locks) as folder:
            for name, why in self._found(locks, folder, context):
                try:
                    unheld = _remove_unheld(Place(locks.root, (*locks.way, name)), folder)
                except (StepError, FileNotFoundError):
                    if _is_there(name, folder):
                        raise
                    continue  # its holder removed it
                removed, held = removed + unheld, held + (not unheld)
                context.output.say(f"removed: {name} ({why})" if unheld else f"left: {name} ({why}): somebody holds it")
        return Cleaned(removed, held)

    def _folder(self, context: StepContext) -> Place:
        pool = place(self.workspaces, context.allow)
        return Place(pool.root, (*pool.way, "locks"))

    def _found(self, locks: Place, folder: int, context: StepContext) -> Iterator[tuple[str, str]]:
        """Yield (name, why) for each lock that is to be removed."""
        with os.scandir(folder) as entries:
            names = sorted(entry.name for entry in entries)
        for name in names:
            context.pause(0)
            with suppress(FileNotFoundError):  # its holder removed it
                if why := self._why(parent_of(locks), folder, name):
                    yield name, why

    def _why(self, pool: Place, folder: int, name: str) -> str | None:
        """Say why a lock is to be removed, or None."""
        match = _NAME.fullmatch(name)
        if match is None:
            return None
        if self.only is not None:
            return "asked for" if name == f"{self.only}.lock" else None
        info = os.stat(name, dir_fd=folder, follow_symlinks=False)
        age = time.time() - info.st_mtime
        if not stat.S_ISREG(info.st_mode) or age < timedelta(minutes=1).total_seconds():
            return None
        old = age >= self.stale_after.total_seconds()
        if not exists(Place(pool.root, (*pool.way, match["repo"], match["slot"]))):
            return "orphaned" if old or not self.orphaned_only else None
        return "stale" if old and not self.orphaned_only else None


def _is_there(name: str, folder: int) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _remove_unheld(lock: Place, folder: int) -> bool:
    """Take the lock, and remove its file while it is held; False where somebody else holds it."""
    with opened_file(lock, os.O_RDWR) as descriptor:
        if not try_lock(descriptor):
            return False
        there, ours = os.stat(lock.way[-1], dir_fd=folder, follow_symlinks=False), os.fstat(descriptor)
        if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
            os.unlink(lock.way[-1], dir_fd=folder)
        return True
