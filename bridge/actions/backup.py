"""Copy files and folders aside."""

import os
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError, Touched
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import Place, place_refusal, places_of


class Backup(Action):
    """Copy files and folders aside, as they are before the steps that follow; `remedy restore` puts them back.

    **Changes** nothing. What the other steps of a remediation change is copied anyway: this is for what they may harm
    besides. **Needs** the paths in `allow.roots`, and room. **Idempotent**: yes. **Backed up**: the paths, each a
    file, a folder with all that is in it, or a SQLite database by its own backup.

    Example:
        - backup: {paths: [/srv/itsm/data]}
    """

    idempotent: ClassVar[bool] = True

    paths: Annotated[tuple[AbsolutePath, ...], Field(min_length=1, max_length=1000)]
    """What to copy; each inside an allowed root."""
    missing_ok: bool = False
    """Pass over paths that are not there; else the step fails."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the paths that no root holds."""
        for path in self.paths:
            why = place_refusal(path, allow)
            if why:
                yield "paths", why

    def wants_backup(self, usual: bool) -> bool:
        """Tell that it is wanted whatever is usual: it is all that this action is for."""
        del usual
        return self.backup is None

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield the paths."""
        yield from (Touched(there.path) for there in self._places(context))

    def plan(self, context: StepContext) -> str:
        """Name what would be copied."""
        return f"copy {', '.join(str(there.path) for there in self._places(context)) or 'nothing'}"

    def run(self, context: StepContext) -> str:
        """Say what was copied; that happened before, as for any step."""
        missing = [str(path) for path in self.paths if not self.missing_ok and not os.path.lexists(path)]
        if missing:
            raise StepError(f"{', '.join(missing)} cannot be copied: it is not there")
        return f"kept {', '.join(str(there.path) for there in self._places(context)) or 'nothing: it is not there'}"

    def _places(self, context: StepContext) -> list[Place]:
        return places_of(self.paths, context.allow, missing_ok=self.missing_ok)
