"""Set owner, group and mode."""

import json
import os
import stat
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import parent_of, place
from bridge.actions.host.owners import group_id, spell_mode, user_id
from bridge.actions.host.permissions import Thing, WantedPermissions, places, thing

_RECORD = "permissions.jsonl"


class FixPermissions(WantedPermissions, Action):
    """Set owner, group and mode of files and folders.

    **Changes** what is not as wanted, files and folders only: symlinks are not followed, files with a second name (hard
    links) and mount points stay as they are, and so does an allowed root itself. **Needs** the paths in `allow.roots`,
    and root (CAP_CHOWN, CAP_FOWNER) for what belongs to others. **Idempotent**: yes. **Backed up**: what each was
    before, one JSON line each, in `permissions.jsonl`.

    Example:
        - fix_permissions: {paths: [/srv/itsm/uploads], owner: itsm, mode: "0640", dir_mode: "0750", recursive: true}
    """

    idempotent: ClassVar[bool] = True

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

    def plan(self, context: StepContext) -> str:
        """Count what is not as wanted."""
        wrong = sum(1 for _ in self._wrong(context))
        return f"set owner, group or mode of {wrong} files and folders"

    def run(self, context: StepContext) -> str:
        """Set them."""
        done, failed = 0, 0
        record = os.open(context.backups / _RECORD, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(record, "w", encoding="utf-8") as backup:
            for wrong, differences in self._wrong(context):
                backup.write(_as_it_was(wrong))
                backup.flush()
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


def _as_it_was(wrong: Thing) -> str:
    info = wrong.info
    was = {"path": str(wrong.place.path), "uid": info.st_uid, "gid": info.st_gid}
    return json.dumps({**was, "mode": spell_mode(stat.S_IMODE(info.st_mode))}) + "\n"
