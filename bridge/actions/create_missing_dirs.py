"""Make folders that are missing."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import AbsolutePath, UserName
from bridge.actions.host.folders import Place, opened, parent_of, place, place_refusal
from bridge.actions.host.owners import Mode, group_id, mode_bits, owner_refusal, user_id


class CreateMissingDirs(Action):
    """Make folders, and those above them inside the root, where they are missing.

    **Changes**: makes folders; what is there already stays as it is. **Needs** the folders in `allow.roots` (the root
    itself must exist), leave to write there, and root for another owner. **Idempotent**: yes. **Backed up**: nothing.

    Example:
        - create_missing_dirs: {directories: [/srv/itsm/uploads, /srv/itsm/cache], owner: itsm, mode: "0750"}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN"})

    directories: Annotated[tuple[AbsolutePath, ...], Field(min_length=1, max_length=1000)]
    """What to make; each inside an allowed root."""
    mode: Mode = "0755"
    """The mode of what is made, in quotes: `"0755"`."""
    owner: UserName | None = None
    """Who owns what is made; else the bridge's user."""
    group: UserName | None = None
    """Its group; else the bridge's."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folders that no root holds."""
        for directory in self.directories:
            why = place_refusal(directory, allow)
            if why:
                yield "directories", why
        try:
            if why := owner_refusal(self.owner, allow):
                yield "owner", why
        except StepError as unknown:
            yield "owner", str(unknown)

    def plan(self, context: StepContext) -> str:
        """Name those that are missing now."""
        missing = [
            str(there.path)
            for directory in self.directories
            for there in self._and_above(directory, context.allow)
            if _is_missing(there)
        ]
        return f"make {', '.join(missing)}" if missing else "nothing: no folder is missing"

    def run(self, context: StepContext) -> str:
        """Make them."""
        owner, group = user_id(self.owner), group_id(self.group)
        made = 0
        for directory in self.directories:
            for there in self._and_above(directory, context.allow):
                context.pause(0)
                made += self._make(there, owner, group, context)
            with opened(place(directory, context.allow)):
                pass  # it is a folder, and no symlink leads there
        return f"made {made} folders"

    def _and_above(self, directory: Path, allow: Allow) -> Iterator[Place]:
        """Yield a folder and those above it inside the root, the uppermost first."""
        whole = place(directory, allow)
        yield from (Place(whole.root, whole.way[:depth]) for depth in range(1, len(whole.way) + 1))

    def _make(self, folder: Place, owner: int, group: int, context: StepContext) -> bool:
        with opened(parent_of(folder)) as parent:
            name = folder.way[-1]
            try:
                os.mkdir(name, 0o700, dir_fd=parent)
            except FileExistsError:
                return False
            except OSError as error:
                raise StepError(f"'{folder.path}' cannot be made: {error.strerror}") from None
            try:
                with opened(folder) as made:
                    os.fchown(made, owner, group)
                    os.fchmod(made, mode_bits(self.mode))
            except (OSError, StepRefusedError) as error:
                with suppress(OSError):
                    os.rmdir(name, dir_fd=parent)
                raise StepError(f"'{folder.path}' was not made: {getattr(error, 'strerror', None) or error}") from None
        context.output.say(f"made: {Path(folder.path)}")
        return True


def _is_missing(folder: Place) -> bool:
    """Tell whether nothing is there; a symlink, or what is no folder, is refused as when it is made."""
    try:
        with opened(folder):
            return False
    except StepRefusedError:
        raise
    except StepError:
        if os.path.lexists(folder.path):
            raise
        return True
