"""Folders inside the allowed roots, entered by descriptor, so that no symlink and no switch of one leads out of them.

Every component, from `/` to a root and from a root down, is opened relative to the one above it, without following
symlinks. What lies below another mount than the root is not entered.
"""

import os
import re
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePath

from bridge.actions.base import Allow, StepError, StepRefusedError

_WAY = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_SYSTEM = frozenset(
    map(
        Path,
        (
            "/",
            "/bin",
            "/boot",
            "/dev",
            "/etc",
            "/lib",
            "/lib64",
            "/proc",
            "/root",
            "/run",
            "/sbin",
            "/sys",
            "/usr",
            "/var",
        ),
    )
)


class StepMissingError(StepError):
    """The file that was to be opened is not there."""


@dataclass(frozen=True)
class Place:
    """A path inside an allowed root: the root, and the way from it, component by component."""

    root: Path
    way: tuple[str, ...]

    @property
    def path(self) -> Path:
        """The whole path."""
        return self.root.joinpath(*self.way)


def place(path: Path, allow: Allow) -> Place:
    """Find the allowed root that a path lies in (the nearest one).

    Raises:
        StepRefusedError: no root holds it.
    """
    holding = [root for root in allow.roots if path.is_relative_to(root) and ".." not in path.parts]
    if not holding:
        raise StepRefusedError(f"'{path}' is in none of allow.roots")
    root = max(holding, key=lambda found: len(found.parts))
    if (why := root_refusal(root)) is not None:
        raise StepRefusedError(f"allow.roots: {why}")
    return Place(root, path.relative_to(root).parts)


def root_refusal(root: Path) -> str | None:
    """Say why a folder cannot be a root for steps, or None."""
    if not root.is_absolute() or ".." in root.parts:
        return f"'{root}' cannot be a root for steps: give an absolute path without '..'"
    if root in _SYSTEM:
        return f"'{root}' cannot be a root for steps: name the folder below it that they may change"
    return None


def place_refusal(path: Path, allow: Allow) -> str | None:
    """Say why a path may not be touched, or None."""
    try:
        place(path, allow)
    except StepRefusedError as refused:
        return str(refused)
    return None


def places_of(paths: Iterable[Path], allow: Allow, *, missing_ok: bool) -> list[Place]:
    """Find the places of paths; with `missing_ok`, those where nothing is are passed over.

    Raises:
        StepRefusedError: no root holds one of them.
    """
    return [place(path, allow) for path in paths if not missing_ok or os.path.lexists(path)]


@contextmanager
def opened(folder: Place) -> Iterator[int]:
    """Open a folder inside a root for reading and give its descriptor.

    Raises:
        StepRefusedError: a component is a symlink, or another mount begins below the root.
        StepError: a component is missing or cannot be opened.
    """
    descriptor = os.open("/", _WAY)
    try:
        walked = PurePath("/")
        for name in folder.root.parts[1:]:
            walked /= name
            descriptor = _step_down(descriptor, name, walked)
        mount = mount_of(descriptor)
        for name in folder.way:
            walked /= name
            descriptor = _step_down(descriptor, name, walked)
            if mount_of(descriptor) != mount:
                raise StepRefusedError(f"'{walked}' is a mount point inside the allowed root")
        readable = _readable(descriptor, walked)
        os.close(descriptor)
        descriptor = readable
        yield descriptor
    finally:
        os.close(descriptor)


@contextmanager
def opened_file(file: Place, flags: int = os.O_RDONLY, mode: int = 0o600) -> Iterator[int]:
    """Open a regular file inside a root, of one name only where it will be written to, and give its descriptor.

    Raises:
        StepRefusedError: it is a symlink, no regular file, or (for writing) has another name elsewhere.
        StepMissingError: it is missing; its folder is there.
        StepError: it cannot be opened.
    """
    with opened(parent_of(file)) as folder:
        name = file.way[-1]
        try:
            descriptor = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, mode, dir_fd=folder)
        except OSError as error:
            if is_symlink(folder, name):
                raise StepRefusedError(f"'{file.path}' is a symlink; name the real file") from None
            kind = StepMissingError if isinstance(error, FileNotFoundError) else StepError
            raise kind(f"'{file.path}' cannot be opened: {error.strerror}") from None
    try:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise StepRefusedError(f"'{file.path}' is no regular file")
        if info.st_nlink > 1 and flags & (os.O_WRONLY | os.O_RDWR):
            raise StepRefusedError(f"'{file.path}' has another name elsewhere (a hard link)")
        yield descriptor
    finally:
        os.close(descriptor)


def exists(folder: Place) -> bool:
    """Tell whether a folder is there and can be entered."""
    try:
        with opened(folder):
            return True
    except StepError:
        return False


def parent_of(inner: Place) -> Place:
    """Return the folder that holds a place.

    Raises:
        StepRefusedError: the place is a root itself.
    """
    if not inner.way:
        raise StepRefusedError(f"'{inner.path}' is an allowed root itself")
    return Place(inner.root, inner.way[:-1])


def _step_down(parent: int, name: str, walked: PurePath) -> int:
    """Open `name` in `parent` and close `parent` where that works."""
    try:
        inner = os.open(name, _WAY, dir_fd=parent)
    except OSError as error:
        if is_symlink(parent, name):
            raise StepRefusedError(f"'{walked}' is a symlink; name the real folder") from None
        raise StepError(f"'{walked}' cannot be opened: {error.strerror}") from None
    os.close(parent)
    return inner


def _readable(folder: int, walked: PurePath) -> int:
    try:
        return os.open(".", _READ, dir_fd=folder)
    except OSError as error:
        raise StepError(f"'{walked}' cannot be read: {error.strerror}") from None


def is_symlink(folder: int, name: str) -> bool:
    """Tell whether a name in an open folder is a symlink now."""
    try:
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    except OSError:
        return False


def mount_of(descriptor: int) -> str:
    """Return the number of the mount that an open file lies on; bind mounts of one file system differ in it."""
    for line in Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii").splitlines():
        if line.startswith("mnt_id:"):
            return line.split()[1]
    raise StepError("the kernel does not tell mounts apart (no mnt_id in /proc/self/fdinfo)")


def mounts_below(folder: Path) -> list[Path]:
    """Return the mount points at a folder and below it."""
    lines = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape").splitlines()
    found = (Path(_unescaped(line.split()[4])) for line in lines)
    return [mount for mount in found if mount.is_relative_to(folder)]


def _unescaped(text: str) -> str:
    """Read a path as mountinfo writes it: space, tab, newline and backslash in octal."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), text)
