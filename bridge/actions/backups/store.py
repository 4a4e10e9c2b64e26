"""Where backups are kept: a folder for each run, for so long and no larger than configured, readable by us alone."""

import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from bridge.actions.backups.copying import Copier, Found, look
from bridge.actions.backups.manifest import Entry, Manifest
from bridge.actions.base import (
    Action,
    BackupFailedError,
    StepContext,
    StepError,
    StepOutcome,
    Touch,
    Touched,
)
from bridge.actions.host.sizes import Size, spell_size
from remedy.config.durations import Duration
from remedy.config.logger import structlog

_MOST = {Touch.CONTENT: 10_000, Touch.PERMISSIONS: 100_000}
"""Files, folders and links that are kept for one step."""
_SPARE = 32 * 1024**2
"""Bytes that stay free on the disk: the ledger lives there too."""
_UNTOUCHED_SECONDS = 3600.0
"""So long nothing is dropped to make room for another: a flood of runs must not wash away what they changed."""


class BackupLimits(BaseModel):
    """How long backups are kept, and how much of them."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    keep: Annotated[Duration, Field(ge=timedelta(hours=1))] = timedelta(days=7)
    """How long what was copied before a fix is kept."""
    max_size: Annotated[Size, Field(ge=1)] = 5 * 1024**3
    """Bytes of all backups together, as `5GiB`: the oldest go first, but none of the last hour."""


@dataclass
class BackupStore:
    """The folder of all backups."""

    folder: Path
    limits: Callable[[], BackupLimits] = BackupLimits
    now: Callable[[], float] = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _sizes: dict[str, int] = field(default_factory=dict)
    """Of folders that have been measured, by the run's number; what is being written is measured each time."""

    def of(self, run: int) -> Path:
        """Return the folder of a run; whether it exists depends on whether anything was kept."""
        return self.folder / str(run)

    def listed(self, run: int) -> list[Entry]:
        """Return what a run has kept, in order.

        Raises:
            StepError: its list cannot be read.
        """
        return Manifest(self.of(run)).read()

    def keep(self, action: Action, step: str, context: StepContext) -> None:
        """Copy what a step will change, unless the run has a copy of it as it is now.

        Raises:
            BackupFailedError: it could not be copied: no room, too many files, an error of the system.
            StepError: what `touched` and looking at it can raise.
        """
        touched = list(action.touched(context))
        try:
            found = list(self._found(touched, step, context))
            had = {entry.about: entry.identity for entry in (Manifest(context.backups).read() if found else ())}
            new = [one for one in found if had.get(one.about) != one.identity]
            if new:
                self._make_room(sum(one.size for one in new), context.backups)
                Manifest(context.backups).add(Copier(step, context, self.now).keep(new))
        except (OSError, sqlite3.Error) as error:
            why = getattr(error, "strerror", None) or error
            raise BackupFailedError(f"what {step} would change could not be copied first: {why}") from None
        except StepError as error:
            if error.outcome is StepOutcome.FAILED and not context.stop.is_set():
                raise BackupFailedError(f"what {step} would change could not be copied first: {error}") from None
            raise

    def forget(self, put_forward: float = 0.0) -> None:
        """Delete what was kept for longer than configured, and what exceeds the size limit.

        `put_forward` is by how many seconds all of it seems older than it is, because the clock was set.
        """
        limits, now = self.limits(), self.now() - put_forward
        try:
            with self._lock:
                for run in self._runs():
                    if now - run.used_at > limits.keep.total_seconds():
                        self._drop(run)
                self._shrink(self._runs(), limits.max_size)
        except OSError as error:
            structlog.get_logger("backups").warning("old backups cannot be deleted", reason=str(error))

    def _found(self, touched: Iterable[Touched], step: str, context: StepContext) -> Iterator[Found]:
        count = 0
        for each in touched:
            for one in look(each, context):
                count += 1
                if count > (most := _MOST[each.touch]):
                    raise BackupFailedError(f"{step} would change more than {most} files: say backup: skip")
                yield one

    def _make_room(self, needed: int, ours: Path) -> None:
        limit = self.limits().max_size
        with self._lock:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._sizes.pop(ours.name, None)
            left = self._shrink([run for run in self._runs() if run.name != ours.name], limit - needed)
            if left + needed > limit:
                raise BackupFailedError(
                    f"what it would change has {spell_size(needed)}, and backups may have {spell_size(limit)}"
                    f" altogether ({spell_size(left)} of the last hour): raise backups.max_size, or say backup: skip"
                )
            disk = os.statvfs(self.folder)
            free = disk.f_bavail * disk.f_frsize
        if free < needed + _SPARE:
            raise BackupFailedError(
                f"what it would change has {spell_size(needed)}, and {self.folder} has {spell_size(free)} free"
                f" ({spell_size(_SPARE)} stay free): make room, or say backup: skip"
            )

    def _shrink(self, runs: list["_Kept"], limit: int) -> int:
        """Drop the oldest until the rest is no larger than the limit; return its size."""
        total = sum(run.size for run in runs)
        for run in runs:
            if total <= limit or self.now() - run.used_at < _UNTOUCHED_SECONDS:
                break
            self._drop(run)
            total -= run.size
        return total

    def _runs(self) -> list["_Kept"]:
        """Return the folders of runs, the one that was used longest ago first."""
        folders = [each for each in self.folder.iterdir() if each.name.isdecimal()] if self.folder.is_dir() else []
        runs = [_Kept(each.name, each.lstat().st_mtime, 0) for each in folders]
        return sorted((replace(run, size=self._size(run)) for run in runs), key=lambda run: run.used_at)

    def _size(self, run: "_Kept") -> int:
        if run.name not in self._sizes or self.now() - run.used_at < _UNTOUCHED_SECONDS:
            self._sizes[run.name] = sum(copy.lstat().st_size for copy in (self.folder / run.name).iterdir())
        return self._sizes[run.name]

    def _drop(self, run: "_Kept") -> None:
        """Set a folder aside under a name that is no run's, then delete it."""
        gone = self.folder / f"{run.name}.gone"
        shutil.rmtree(gone, ignore_errors=True)
        (self.folder / run.name).rename(gone)
        shutil.rmtree(gone, ignore_errors=True)
        self._sizes.pop(run.name, None)


@dataclass(frozen=True)
class _Kept:
    name: str
    used_at: float
    size: int
