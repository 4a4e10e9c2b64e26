"""See whether owner, group and mode are right."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import parent_of, place
from bridge.actions.host.permissions import WantedPermissions, places, thing


class CheckPermissions(WantedPermissions, Action):
    """See whether owner, group and mode of files and folders are as wanted; it fails where they are not.

    What is neither file nor folder, and other mounts, are passed over, as `fix_permissions` does. **Changes** nothing.
    **Needs** the paths in `allow.roots`. **Idempotent**: yes. **Backed up**: nothing.

    Example:
        - check_permissions: {paths: [/srv/itsm/uploads], owner: itsm, dir_mode: "0750"}
    """

    idempotent: ClassVar[bool] = True

    paths: Annotated[tuple[AbsolutePath, ...], Field(min_length=1, max_length=1000)]
    """Files or folders, each inside an allowed root."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the paths that no root holds."""
        for path in self.paths:
            try:
                parent_of(place(path, allow))
            except StepError as refused:
                yield "paths", str(refused)

    def plan(self, context: StepContext) -> str:
        """Say what is looked at."""
        del context
        return f"look at owner, group and mode of {', '.join(map(str, self.paths))}"

    def run(self, context: StepContext) -> str:
        """Look."""
        wrong = seen = 0
        for path in self.paths:
            start = place(path, context.allow)
            for there in places(start, self, context):
                try:
                    with thing(there) as found:
                        differences = found.differences(self)
                except StepError as problem:
                    if there is start:
                        raise
                    context.output.say(f"passed over: {problem}")
                    continue
                seen, wrong = seen + 1, wrong + bool(differences)
                if differences:
                    context.output.say(f"{there.path} {' and '.join(differences)}")
        if wrong:
            raise StepError(f"{wrong} of {seen} files and folders are not as wanted")
        return f"all {seen} files and folders are as wanted"
