"""Copy a SQLite database while it is in use."""

import os
import re
import sqlite3
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import opened, place, place_refusal
from bridge.actions.host.replacing import discard
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import database, looked_at, made_database, new_database, problems

_PAGES_AT_ONCE = 1000


class SqliteBackup(Action):
    """Copy a SQLite database with SQLite's own online backup, while others read and write it.

    **Changes**: makes `NAME-YYYYmmddTHHMMSSZ.db` in `to`, readable by the bridge's user alone, and deletes the oldest
    copies beyond `keep`. **Needs** database and folder in `allow.roots`, and room for the copy. **Idempotent**: yes.
    **Backed up**: nothing, since it is the backup. The copy is checked before it gets its name.

    Example:
        - sqlite_backup: {database: /srv/itsm/data/itsm.db, to: /srv/itsm/backups, keep: 7}
    """

    idempotent: ClassVar[bool] = True

    database: AbsolutePath
    """The file, inside an allowed root."""
    to: AbsolutePath
    """The folder for the copies, inside an allowed root."""
    keep: Annotated[int, Field(ge=1, le=10_000)] = 7
    """How many copies stay."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield what no root holds."""
        for field, path in (("database", self.database), ("to", self.to)):
            why = place_refusal(path, allow)
            if why:
                yield field, why

    def plan(self, context: StepContext) -> str:
        """Say what is copied where to."""
        size = spell_size(looked_at(self.database, context).st_size)
        with opened(place(self.to, context.allow)):
            return f"copy {self.database} ({size}) into {self.to}, where {self.keep} copies stay"

    def run(self, context: StepContext) -> str:
        """Copy it, check the copy, name it."""
        name = f"{self.database.stem}-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.db"
        with opened(place(self.to, context.allow)) as folder:
            unfinished = f".{self.database.stem}.db.unfinished"
            discard(unfinished, folder)  # what a crash left
            try:
                self._copy(unfinished, folder, context)
                os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
                os.fsync(folder)
            except BaseException:
                discard(unfinished, folder)
                raise
            size = os.stat(name, dir_fd=folder).st_size
            gone = self._delete_oldest(folder)
        return f"copied {self.database} to {self.to / name} ({spell_size(size)}); {gone} older copies were deleted"

    def _copy(self, name: str, folder: int, context: StepContext) -> None:
        try:
            with (
                database(self.database, context, read_only=True) as source,
                new_database(name, folder) as copy,
            ):
                _room(source, folder)
                source.backup(copy, pages=_PAGES_AT_ONCE, progress=lambda *_: context.pause(0))
            with made_database(name, folder) as copy:
                damaged = problems(copy)
        except sqlite3.Error as error:
            raise StepError(f"the copy of {self.database} could not be written: {error}") from None
        if damaged:
            raise StepError(f"{self.database} is damaged, and so is its copy: {damaged[0]}")

    def _delete_oldest(self, folder: int) -> int:
        copies = sorted(name for name in os.listdir(folder) if self._is_copy(name))
        surplus = copies[: -self.keep]
        for name in surplus:
            discard(name, folder)
        return len(surplus)

    def _is_copy(self, name: str) -> bool:
        return re.fullmatch(re.escape(self.database.stem) + r"-[0-9]{8}T[0-9]{6}Z\.db", name) is not None


def _room(source: sqlite3.Connection, folder: int) -> None:
    (pages,), (size,) = (source.execute(f"PRAGMA {key}").fetchone() for key in ("page_count", "page_size"))
    file_system = os.fstatvfs(folder)
    free = file_system.f_bavail * file_system.f_frsize
    if free < pages * size:
        raise StepError(f"there is no room for the copy: {spell_size(free)} free, {spell_size(pages * size)} needed")
