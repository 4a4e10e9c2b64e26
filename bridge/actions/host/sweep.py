"""Find old files below an allowed folder and delete them one by one, never more than is allowed."""

import heapq
import os
import stat
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from fnmatch import fnmatchcase

from bridge.actions.base import StepContext, StepError, StepRefusedError
from bridge.actions.host.folders import Place, opened
from bridge.actions.host.shown import shown
from bridge.actions.host.sizes import spell_size

_ENTRIES_BETWEEN_LOOKS = 1000


@dataclass(frozen=True)
class Found:
    """A regular file, as it was when it was seen."""

    folder: Place
    name: str
    modified: float
    """Seconds since the epoch."""
    size: int
    """Bytes that deleting it frees; 0 where it has another name elsewhere."""
    identity: tuple[int, int]
    """Device and inode."""

    def __str__(self) -> str:
        return shown(f"{self.folder.path}/{self.name}")


@dataclass(frozen=True)
class Search:
    """Which files are looked for."""

    patterns: tuple[str, ...]
    older_than: float
    """Seconds since the last change."""
    recursive: bool

    def matches(self, name: str, info: os.stat_result, now: float) -> bool:
        """Tell whether a directory entry is one."""
        return (
            stat.S_ISREG(info.st_mode)
            and now - info.st_mtime >= self.older_than
            and any(fnmatchcase(name, pattern) for pattern in self.patterns)
        )


def find(start: Place, search: Search, context: StepContext) -> Iterator[Found]:
    """Yield the files below a folder that are looked for.

    Symlinks, mount points, the bridge's own files and what is no regular file are passed over; a folder that cannot be
    entered is named in the step's output.

    Raises:
        StepRefusedError: the folder itself is a symlink, a mount point inside its root, or the bridge's own.
        StepError: it is missing; or the step's time is up.
    """
    if context.is_ours(start.path):
        raise StepRefusedError(f"'{start.path}' is the bridge's own: its ledger or its backups")
    waiting, now = [start], time.time()
    while waiting:
        folder = waiting.pop()
        context.pause(0)
        with ExitStack() as kept:
            try:
                descriptor = kept.enter_context(opened(folder))
            except StepError as problem:
                if folder is start:
                    raise
                context.output.say(f"passed over: {problem}")
                continue
            for name, info in _entries(folder, descriptor, context):
                if context.is_ours(folder.path / name):
                    continue
                if search.matches(name, info, now):
                    freed = info.st_blocks * 512 if info.st_nlink == 1 else 0
                    yield Found(folder, name, info.st_mtime, freed, (info.st_dev, info.st_ino))
                elif search.recursive and stat.S_ISDIR(info.st_mode):
                    waiting.append(Place(folder.root, (*folder.way, name)))


def _entries(folder: Place, descriptor: int, context: StepContext) -> Iterator[tuple[str, os.stat_result]]:
    with os.scandir(descriptor) as entries:
        for number, entry in enumerate(entries):
            if number % _ENTRIES_BETWEEN_LOOKS == 0:
                context.pause(0)
            try:
                info = entry.stat(follow_symlinks=False)
            except FileNotFoundError:
                continue  # gone meanwhile
            except OSError as error:
                context.output.say(f"passed over: {folder.path / entry.name}: {error.strerror}")
            else:
                yield entry.name, info


@dataclass
class Swept:
    """What was deleted."""

    files: int = 0
    size: int = 0
    failed: int = 0

    def __str__(self) -> str:
        failed = f"; {self.failed} could not be deleted" if self.failed else ""
        return f"deleted {self.files} files ({spell_size(self.size)}){failed}"


@dataclass(frozen=True)
class Bounds:
    """When a sweep ends."""

    files: int
    size: int
    free_share: float | None = None
    """Between 0 and 1, of the file system: enough is free."""

    def reached(self, done: Swept, folder: Place) -> bool:
        """Tell whether nothing more is to be deleted."""
        return done.files >= self.files or done.size >= self.size or self.enough_free(folder)

    def enough_free(self, folder: Place) -> bool:
        """Tell whether the folder's file system has the wanted share free."""
        return self.free_share is not None and free_share(folder) >= self.free_share


def free_share(folder: Place) -> float:
    """Return the share of a folder's file system that is free for those who are not root."""
    with opened(folder) as descriptor:
        info = os.fstatvfs(descriptor)
    return info.f_bavail / info.f_blocks if info.f_blocks else 1.0


def oldest(starts: Iterable[Place], search: Search, context: StepContext, most: int) -> list[Found]:
    """Return the oldest files that are looked for, `most` of them at most, the oldest first."""
    everything = (found for start in starts for found in find(start, search, context))
    return heapq.nsmallest(most, everything, key=lambda found: (found.modified, str(found)))


def sweep(files: Iterable[Found], bounds: Bounds, context: StepContext) -> Swept:
    """Delete files in the order given until a bound is reached; each is named in the step's output.

    A file that was changed or switched since it was seen is left alone.
    """
    done = Swept()
    for file in files:
        context.pause(0)
        try:
            if bounds.reached(done, file.folder):
                break
            _delete(file)
        except FileNotFoundError:
            context.output.say(f"gone meanwhile: {file}")
        except (OSError, StepError) as error:
            done.failed += 1
            context.output.say(f"left: {file}: {getattr(error, 'strerror', None) or error}")
        else:
            done.files, done.size = done.files + 1, done.size + file.size
            context.output.say(f"deleted: {file}")
    return done


def _delete(file: Found) -> None:
    with opened(file.folder) as descriptor:
        info = os.stat(file.name, dir_fd=descriptor, follow_symlinks=False)
        if (info.st_dev, info.st_ino) != file.identity or info.st_mtime != file.modified:
            raise StepRefusedError("it was changed since it was seen")
        os.unlink(file.name, dir_fd=descriptor)
