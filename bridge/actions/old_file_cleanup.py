"""Delete old files to make room."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import BaseModel, ConfigDict, Field

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, FileGlob
from bridge.actions.host.folders import place_refusal, places_of
from bridge.actions.host.sizes import Size, spell_size
from bridge.actions.host.sweep import Bounds, Found, Search, free_share, oldest, sweep

_DAY = timedelta(days=1).total_seconds()


class MaxDelete(BaseModel):
    """How much one run may delete."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """How many files."""
    size: Annotated[Size, Field(ge=1)] = 10 * 1024**3
    """Bytes, as `10GiB`: no further file is deleted once it is reached."""


class OldFileCleanup(Action):
    """Delete files that nobody has changed for days, the oldest first.

    **Changes**: deletes regular files in `directories` and below. Folders, symlinks and what lies on another mount
    stay. **Needs** the folders in `allow.roots`, and leave to write there. **Idempotent**: yes. **Backed up**: nothing,
    since it is to make room.

    Folders are entered by descriptor without following symlinks, so nothing outside the roots is touched even if
    somebody switches a folder for a symlink meanwhile.

    Example:
        - old_file_cleanup: {directories: [/var/log/itsm], patterns: ["*.log.*"], days: 14, until_free: 20%}
    """

    idempotent: ClassVar[bool] = True

    directories: Annotated[tuple[AbsolutePath, ...], Field(min_length=1)]
    """Where to look; each inside an allowed root."""
    days: Annotated[int, Field(ge=7, le=36_500)]
    """Files changed within so many days stay; at least 7."""
    patterns: Annotated[tuple[FileGlob, ...], Field(min_length=1)] = ("*",)
    """Names of files to delete, as `*.log.*`."""
    recursive: bool = True
    """Look in folders below as well."""
    max_delete: MaxDelete = MaxDelete()
    """`files` and `size`: how much one run may delete."""
    missing_ok: bool = False
    """Pass over folders that are not there; else the step fails."""
    until_free: Annotated[str, Field(pattern=r"^[0-9]{1,2}(\.[0-9]{1,2})?%$")] | None = None
    """Stop as soon as so much of the file system is free, as `20%`."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folders that no root holds."""
        for directory in self.directories:
            why = place_refusal(directory, allow)
            if why:
                yield "directories", why

    def plan(self, context: StepContext) -> str:
        """Count what would be deleted now."""
        found = self._oldest(context)
        size = spell_size(sum(file.size for file in found))
        until = f", until {self.until_free} is free" if self.until_free else ""
        return f"delete up to {len(found)} files ({size}) not changed for {self.days} days{until}"

    def run(self, context: StepContext) -> str:
        """Delete them."""
        done = sweep(self._oldest(context), self._bounds(), context)
        if done.failed and not done.files:
            raise StepError(f"{done}: see the output")
        return str(done) + self._free_now(context)

    def _oldest(self, context: StepContext) -> list[Found]:
        search = Search(self.patterns, self.days * _DAY, self.recursive)
        starts = places_of(self.directories, context.allow, missing_ok=self.missing_ok)
        return oldest(starts, search, context, self.max_delete.files)

    def _bounds(self) -> Bounds:
        share = float(self.until_free.rstrip("%")) / 100 if self.until_free else None
        return Bounds(self.max_delete.files, self.max_delete.size, share)

    def _free_now(self, context: StepContext) -> str:
        if not self.until_free:
            return ""
        there = places_of(self.directories, context.allow, missing_ok=self.missing_ok)
        free = [free_share(directory) for directory in there]
        return f"; {min(free):.0%} of the file system is free now" if free else ""
