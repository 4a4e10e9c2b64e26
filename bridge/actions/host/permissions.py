"""Owner, group and mode of files and folders inside a root: what they are, what is wanted, and how to make it so."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, model_validator

from bridge.actions.base import StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import UserName
from bridge.actions.host.folders import Place, mount_of, opened, parent_of
from bridge.actions.host.owners import Mode, group_id, mode_bits, spell_mode, user_id

_THING = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC


class WantedPermissions(BaseModel):
    """Fields that say how it should be; at least one of them."""

    owner: UserName | None = None
    """Who should own them."""
    group: UserName | None = None
    """Their group."""
    mode: Mode | None = None
    """The mode of files, in quotes: `"0640"`. One that lets everyone write is refused."""
    dir_mode: Mode | None = None
    """The mode of folders, in quotes: `"0750"`."""
    recursive: bool = False
    """What is below as well; else only the paths themselves."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.owner is None and self.group is None and self.mode is None and self.dir_mode is None:
            raise ValueError("owner, group, mode or dir_mode must be given")
        return self


@dataclass(frozen=True)
class Thing:
    """A file or folder, held open."""

    place: Place
    descriptor: int
    info: os.stat_result

    def differences(self, wanted: WantedPermissions) -> list[str]:
        """Say in which way it is not as wanted."""
        owner, group = user_id(wanted.owner), group_id(wanted.group)
        mode = wanted.dir_mode if stat.S_ISDIR(self.info.st_mode) else wanted.mode
        found = []
        if owner not in (-1, self.info.st_uid):
            found.append(f"belongs to uid {self.info.st_uid}, not to {wanted.owner}")
        if group not in (-1, self.info.st_gid):
            found.append(f"has the group {self.info.st_gid}, not {wanted.group}")
        if mode is not None and mode_bits(mode) != stat.S_IMODE(self.info.st_mode):
            found.append(f"has the mode {spell_mode(self.info.st_mode)}, not {mode}")
        return found

    def make(self, wanted: WantedPermissions) -> None:
        """Make it so, through the descriptor that was looked at.

        Raises:
            OSError: the system forbids it.
            StepRefusedError: it is a file with another name elsewhere.
        """
        if stat.S_ISREG(self.info.st_mode) and self.info.st_nlink > 1:
            raise StepRefusedError("it has another name elsewhere (a hard link)")
        itself = f"/proc/self/fd/{self.descriptor}"
        mode = wanted.dir_mode if stat.S_ISDIR(self.info.st_mode) else wanted.mode
        if wanted.owner is not None or wanted.group is not None:
            os.chown(itself, user_id(wanted.owner), group_id(wanted.group))
        if mode is not None:
            Path(itself).chmod(mode_bits(mode))


@contextmanager
def thing(there: Place) -> Iterator[Thing]:
    """Hold what is at a place.

    Raises:
        StepRefusedError: it is a symlink, no file and no folder, or another mount begins there.
        StepError: there is nothing, or it cannot be opened.
    """
    with opened(parent_of(there)) as folder:
        mount = mount_of(folder)
        try:
            descriptor = os.open(there.way[-1], _THING, dir_fd=folder)
        except OSError as error:
            raise StepError(f"'{there.path}' cannot be opened: {error.strerror}") from None
    try:
        info = os.fstat(descriptor)
        if stat.S_ISLNK(info.st_mode):
            raise StepRefusedError(f"'{there.path}' is a symlink; name the real one")
        if not (stat.S_ISREG(info.st_mode) or stat.S_ISDIR(info.st_mode)):
            raise StepRefusedError(f"'{there.path}' is no file and no folder")
        if mount_of(descriptor) != mount:
            raise StepRefusedError(f"'{there.path}' is a mount point inside the allowed root")
        yield Thing(there, descriptor, info)
    finally:
        os.close(descriptor)


def places(start: Place, wanted: WantedPermissions, context: StepContext) -> Iterator[Place]:
    """Yield a place and, if wanted, all that is below it; what is above comes before what is in it."""
    yield start
    if not wanted.recursive:
        return
    waiting = [start]
    while waiting:
        folder = waiting.pop()
        context.pause(0)
        try:
            with opened(folder) as descriptor, os.scandir(descriptor) as entries:
                inner = [
                    (entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries if not entry.is_symlink()
                ]
        except StepError as problem:
            if folder is not start:
                context.output.say(f"passed over: {problem}")
            continue
        for name, is_folder in sorted(inner):
            below = Place(folder.root, (*folder.way, name))
            yield below
            if is_folder:
                waiting.append(below)
