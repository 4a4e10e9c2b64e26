"""Put back what a run changed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from bridge.actions.backups.manifest import Entry, Kind, Manifest
from bridge.actions.backups.restoring import Restorer, before_the_run
from bridge.actions.base import Action, StepContext, StepError, Touch, Touched


class RestoreBackup(Action):
    """Put back what was copied before a run changed it: what `remedy restore RUN` does.

    **Changes**: files get back content, owner, mode, times and access lists, each with one rename; SQLite databases get
    back their content through SQLite, while others have them open; folders and links that are gone are made again. What
    the run made anew is left as it is. **Needs** everything in `allow.roots`, as when the run was made. **Idempotent**:
    yes. **Backed up**: all of it as it is now, so that putting back can be undone the same way.

    What was kept several times gets back what it was before the run. What cannot be put back is named, and the rest is.

    Example:
        - restore_backup: {run_id: "{{ labels.run }}"}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN", "CAP_FOWNER"})

    run_id: Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{0,14}$")]
    """The number of the run."""

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield what would be put back."""
        for entry in self._entries(context):
            if entry.kind in (Kind.FILE, Kind.DATABASE):
                yield Touched(Path(entry.path))
            if entry.kind in (Kind.PERMISSIONS, Kind.FOLDER):
                yield Touched(Path(entry.path), Touch.PERMISSIONS)

    def plan(self, context: StepContext) -> str:
        """Name what would be put back."""
        entries = self._entries(context)
        named = ", ".join(entry.path for entry in entries[:20])
        more = f" and {len(entries) - 20} more" if len(entries) > 20 else ""  # noqa: PLR2004 - as many as above
        return f"put back what run {self.run_id} changed: {named}{more}"

    def run(self, context: StepContext) -> str:
        """Put everything back that can be."""
        restorer = Restorer(self._folder(context), context)
        entries = self._entries(context)
        failed: list[str] = []
        for entry in entries:
            context.pause(0)
            try:
                context.output.say(f"{entry.path}: {restorer.put_back(entry)}")
            except StepError as problem:
                context.pause(0)
                failed.append(entry.path)
                context.output.say(f"{entry.path}: not put back: {problem}")
        if failed:
            raise StepError(f"{len(failed)} of {len(entries)} could not be put back, {failed[0]} among them")
        return f"put back {len(entries)} things that run {self.run_id} changed"

    def _folder(self, context: StepContext) -> Path:
        return context.backups.parent / self.run_id

    def _entries(self, context: StepContext) -> list[Entry]:
        entries = before_the_run(Manifest(self._folder(context)).read())
        if not entries:
            raise StepError(f"nothing was kept of run {self.run_id}, or it is no longer kept")
        return entries
