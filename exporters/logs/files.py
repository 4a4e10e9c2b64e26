"""Which files belong to a log source, and which others lie beside them: older generations and copies."""

import os
import re
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from stat import S_ISREG

from exporters.logs.position import FileId, file_id

_COMPRESSED = re.compile(r"\.(gz|bz2|xz|zst|lz4|lzma|lzo|br|zip|Z|7z)$")
_SEPARATOR = re.compile(r"[.\-_]")
_GENERATION = re.compile(r"[.\-_](?:\d[\d.\-_T:]*|old|prev|bak|copy)")
_LOOKS = 5
"""How often a file is looked for whose name changes at that moment."""
_RESTLESS_SECONDS = 0.2
"""How long a folder is read again in which files come, go and move: longer than one rotation of many files takes."""
_ANY_GENERATION = re.compile(rf".+?{_GENERATION.pattern}(?:\.[A-Za-z]+)?")
Beside = dict[FileId, tuple[Path, int]]
"""Files of a folder, with when each was last changed (ns)."""


class NotAFileError(OSError):
    """What stands at a path is a folder, a device or the like."""


def members(pattern: str, exclude: Sequence[str] = ()) -> dict[FileId, Path]:
    """Return the files that a path or glob names now; compressed ones are none of ours, nor are excluded ones.

    Raises:
        NotAFileError: what the path (not a glob) names is no file.
        OSError: it cannot be asked about.
    """
    real: dict[str, str] = {}
    if not has_magic(pattern):
        return dict(_one(pattern, real))
    found: dict[FileId, Path] = {}
    names = glob(pattern, recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    if not names:
        _readable(pattern)
    for name in sorted(names):
        try:
            if not _COMPRESSED.search(name) and not is_excluded(name, exclude):
                for key, path in _one(name, real):
                    found.setdefault(key, path)
        except OSError:
            continue  # a folder, or gone since
    return found


def is_excluded(name: str | Path, exclude: Sequence[str]) -> bool:
    """Tell whether a path is one of these paths or globs; `*` stands for any characters, `/` among them."""
    return any(fnmatchcase(str(name), each) for each in exclude)


def without_links(pattern: str) -> str:
    """Return a path or glob with the folder's links followed, as the paths of members are."""
    path = Path(pattern)
    return pattern if has_magic(str(path.parent)) else str(path.parent.resolve() / path.name)


def relatives(folder: Path, logs: Iterable[Path]) -> dict[Path, Beside]:
    """Return what looks like a generation or copy of each of these logs, all of one folder.

    Raises:
        OSError: the folder cannot be read.
    """
    found: dict[Path, Beside] = {log: {} for log in logs}
    for key, file in beside(folder).items():
        for log in logs_of(file[0]) & found.keys():
            found[log][key] = file
    return found


def generations(pattern: str) -> Beside:
    """Return what lies in the folders that a path or glob names and looks like a generation or copy of some log."""
    folders = glob(str(Path(pattern).parent), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    found = {key: file for folder in folders for key, file in beside(Path(folder)).items()}
    return {key: file for key, file in found.items() if _ANY_GENERATION.fullmatch(file[0].name)}


def logs_of(path: Path) -> set[Path]:
    """Return the logs of which a file may be a generation or copy, by its name.

    `app.log.1`, `app.log-20261121`, `app-20261121.log`, `app.1.log`, `app.log.old` are of `app.log`; `app.log.2.gz`
    is not.
    """
    name = path.name
    logs = set()
    for at in (separator.start() for separator in _SEPARATOR.finditer(name, 1)):
        if _GENERATION.fullmatch(name.removesuffix(".log"), at) or _GENERATION.fullmatch(name, at):
            logs.add(name[:at])
        suffix = name.rfind(".")
        if at < suffix < len(name) - 1 and _GENERATION.fullmatch(name, at, suffix):
            logs.add(name[:at] + name[suffix:])
    return {path.parent / log for log in logs}


def moved_to(path: Path, wanted: FileId) -> Path | None:
    """Return where in its folder a file is now."""
    found = beside(path.parent).get(wanted)
    return found[0] if found else None


def open_file(wanted: FileId, path: Path) -> int | None:
    """Open a file for reading, by that name or the one that it has now in its folder; None if it is no longer there.

    Raises:
        OSError: it cannot be opened, or its folder not be read.
    """
    name: Path | None = path
    for _ in range(_LOOKS):
        if name is None:
            break
        with suppress(FileNotFoundError):
            fd = os.open(name, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
            if file_id(os.fstat(fd)) == wanted:
                return fd
            os.close(fd)
        name = moved_to(path, wanted)
    return None


def _one(name: str, real: dict[str, str]) -> Iterator[tuple[FileId, Path]]:
    """Yield the file of that name, if there is one, and where it is without links; `real` says so of folders."""
    try:
        stat = os.stat(name)  # noqa: PTH116 - asked of thousands of files, twice a second
    except FileNotFoundError:
        return
    if not S_ISREG(stat.st_mode):
        raise NotAFileError(f"{name} is not a regular file")
    folder, _, last = name.rpartition("/")
    if os.path.islink(name):  # noqa: PTH114
        yield file_id(stat), Path(os.path.realpath(name))
        return
    if folder not in real:
        real[folder] = os.path.realpath(folder or "/")
    yield file_id(stat), Path(real[folder], last)


def _readable(pattern: str) -> None:
    """Ask for what is in the folder that a glob begins in; where that may not be read, glob says that it is empty.

    Raises:
        OSError: it cannot be read.
    """
    folder = Path(pattern)
    while has_magic(str(folder)):
        folder = folder.parent
    beside(folder)


def beside(folder: Path) -> Beside:
    """Return what lies in a folder; compressed files are left out.

    What is renamed while a folder is read may be missing from what is read: it is read until it is the same twice. In
    one that never is, what is no longer there may be among what is returned.

    Raises:
        OSError: the folder cannot be read.
    """
    seen, before = Beside(), None
    until = time.monotonic() + _RESTLESS_SECONDS
    while True:
        found, still = _listed(folder)
        seen |= found
        if still and before == found.keys():
            return found
        if time.monotonic() >= until:
            return seen
        before = found.keys() if still else None


def _listed(folder: Path) -> tuple[Beside, bool]:
    """Return what lies in a folder, and whether all of it was still there when it was asked about."""
    found: Beside = {}
    still = True
    with suppress(FileNotFoundError), os.scandir(folder) as entries:
        for entry in entries:
            try:
                if entry.is_file(follow_symlinks=False) and not _COMPRESSED.search(entry.name):
                    stat = entry.stat(follow_symlinks=False)
                    found[file_id(stat)] = (Path(entry.path), stat.st_mtime_ns)
            except FileNotFoundError:
                still = False
    return found, still
