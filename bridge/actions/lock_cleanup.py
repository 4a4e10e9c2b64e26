"""Remove locks that nobody holds any more."""

import os
import re
import stat
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import Place, opened, opened_file, place, place_refusal
from bridge.actions.host.slots import try_lock
from remedy.config.durations import Duration, format_duration

_NAME = re.compile(r"workspace-(?P<repo>[A-Za-z0-9_][A-Za-z0-9._-]*)-(?P<slot>slot[0-9]{1,6})\.lock")


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
        """Say which locks."""
        del context
        if self.only:
            return f"remove the lock of {self.only} if nobody holds it"
        return f"remove locks without a slot, or not touched for {format_duration(self.stale_after)}, that nobody holds"

    def run(self, context: StepContext) -> str:
        """Remove them."""
        pool = place(self.workspaces, context.allow)
        locks = Place(pool.root, (*pool.way, "locks"))
        removed = held = 0
        with opened(locks) as folder:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries)
            for name in names:
                context.pause(0)
                why = self._why(pool, folder, name)
                if why is None:
                    continue
                if _remove_unheld(Place(locks.root, (*locks.way, name)), folder):
                    removed += 1
                    context.output.say(f"removed: {name} ({why})")
                else:
                    held += 1
                    context.output.say(f"left: {name} ({why}): somebody holds it")
        return f"removed {removed} locks" + (f"; {held} are held by somebody" if held else "")

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
        if not _exists(Place(pool.root, (*pool.way, match["repo"], match["slot"]))):
            return "orphaned"
        return "stale" if age >= self.stale_after.total_seconds() else None


def _exists(slot: Place) -> bool:
    try:
        with opened(slot):
            return True
    except StepError:
        return False


def _remove_unheld(lock: Place, folder: int) -> bool:
    """Take the lock, and remove its file while it is held; False where somebody else holds it."""
    with opened_file(lock, os.O_RDWR) as descriptor:
        if not try_lock(descriptor):
            return False
        there, ours = os.stat(lock.way[-1], dir_fd=folder, follow_symlinks=False), os.fstat(descriptor)
        if (there.st_dev, there.st_ino) == (ours.st_dev, ours.st_ino):
            os.unlink(lock.way[-1], dir_fd=folder)
        return True
