"""Set owner, group and mode."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError, Touch, Touched
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import parent_of, place
from bridge.actions.host.owners import group_id, owner_refusal, user_id
from bridge.actions.host.permissions import Thing, WantedPermissions, places, thing


class FixPermissions(WantedPermissions, Action):
    """Set owner, group and mode of files and folders.

    **Changes** what is not as wanted, files and folders only: symlinks are not followed, files with a second name (hard
    links) and mount points stay as they are, and so does an allowed root itself. **Needs** the paths in `allow.roots`,
    and root (CAP_CHOWN, CAP_FOWNER) for what belongs to others. **Idempotent**: yes. **Backed up**: owner,
    group and mode of each, as they were.

    Example:
        - fix_permissions: {paths: [/srv/itsm/uploads], owner: itsm, mode: "0640", dir_mode: "0750", recursive: true}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN", "CAP_FOWNER"})

    paths: Annotated[tuple[AbsolutePath, ...], Field(min_length=1, max_length=1000)]
    """Files or folders, each inside an allowed root."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the paths that no root holds, and users that do not exist."""
        for path in self.paths:
            try:
                parent_of(place(path, allow))
            except StepError as refused:
                yield "paths", str(refused)
        for field, number, name in (("owner", user_id, self.owner), ("group", group_id, self.group)):
            try:
                number(name)
            except StepError as unknown:
                yield field, str(unknown)
            else:
                if field == "owner" and (why := owner_refusal(self.owner, allow)):
                    yield field, why

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield what is not as wanted."""
        yield from (Touched(wrong.place.path, Touch.PERMISSIONS) for wrong, _ in self._wrong(context))

    def plan(self, context: StepContext) -> str:
        """Count what is not as wanted."""
        wrong = sum(1 for _ in self._wrong(context))
        return f"set owner, group or mode of {wrong} files and folders"

    def run(self, context: StepContext) -> str:
        """Set them."""
        done, failed = 0, 0
        for wrong, differences in self._wrong(context):
            try:
                wrong.make(self)
            except (OSError, StepError) as error:
                failed += 1
                context.output.say(f"left: {wrong.place.path}: {getattr(error, 'strerror', None) or error}")
            else:
                done += 1
                context.output.say(f"set: {wrong.place.path}: it {' and '.join(differences)}")
        if failed:
            raise StepError(f"{failed} files and folders could not be set, {done} were")
        return f"set {done} files and folders"

    def _wrong(self, context: StepContext) -> Iterator[tuple[Thing, list[str]]]:
        for path in self.paths:
            start = place(path, context.allow)
            for there in places(start, self, context):
                try:
                    with thing(there) as found:
                        differences = found.differences(self)
                        if differences:
                            yield found, differences
                except StepError as problem:
                    if there is start:
                        raise
                    context.output.say(f"passed over: {problem}")
