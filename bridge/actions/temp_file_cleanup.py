"""Delete left-over temporary files."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, FileGlob
from bridge.actions.host.folders import place_refusal, places_of
from bridge.actions.host.sweep import Bounds, Found, Search, oldest, sweep
from remedy.config.durations import Duration, format_duration


class TempFileCleanup(Action):
    """Delete temporary files by their names and age.

    **Changes**: deletes regular files directly in `directories`; folders, symlinks, sockets and files of another age or
    name stay. **Needs** the folders in `allow.roots`. **Idempotent**: yes. **Backed up**: nothing.

    Example:
        - temp_file_cleanup: {directories: [/var/tmp/itsm], patterns: ["*.tmp", "flask_*"], older_than: 1d}
    """

    idempotent: ClassVar[bool] = True

    directories: Annotated[tuple[AbsolutePath, ...], Field(min_length=1)]
    """Where to look; each inside an allowed root."""
    patterns: Annotated[tuple[FileGlob, ...], Field(min_length=1)]
    """Names of files to delete, as `*.tmp`; a pattern of `*` alone must be meant, so there is no default."""
    older_than: Annotated[Duration, Field(ge=timedelta(hours=1))] = timedelta(days=1)
    """Files changed more recently stay; at least `1h`, since somebody may be using them."""
    recursive: bool = False
    """Look in folders below as well."""
    max_files: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """How many files one run may delete, the oldest first."""
    missing_ok: bool = False
    """Pass over folders that are not there; else the step fails."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folders that no root holds."""
        for directory in self.directories:
            why = place_refusal(directory, allow)
            if why:
                yield "directories", why

    def plan(self, context: StepContext) -> str:
        """Count what would be deleted now."""
        return f"delete {len(self._oldest(context))} temporary files older than {format_duration(self.older_than)}"

    def run(self, context: StepContext) -> str:
        """Delete them."""
        done = sweep(self._oldest(context), Bounds(self.max_files, 2**63), context)
        if done.failed and not done.files:
            raise StepError(f"{done}: see the output")
        return str(done)

    def _oldest(self, context: StepContext) -> list[Found]:
        search = Search(self.patterns, self.older_than.total_seconds(), self.recursive)
        starts = places_of(self.directories, context.allow, missing_ok=self.missing_ok)
        return oldest(starts, search, context, self.max_files)
