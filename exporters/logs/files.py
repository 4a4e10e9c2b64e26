"""Which files belong to a log source, and which others lie beside them: older generations and copies."""

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path
from stat import S_ISREG

from exporters.logs.position import FileId, file_id

_COMPRESSED = re.compile(r"\.(gz|bz2|xz|zst|lz4|lzma|lzo|br|zip|Z|7z)$")
_GENERATION = r"(?:[.\-_](?:\d[\d.\-_T:]*|old|prev|bak|copy))"

_ANY_GENERATION = re.compile(rf".+?{_GENERATION}(?:\.[A-Za-z]+)?")


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


def relatives(path: Path) -> dict[FileId, tuple[Path, int]]:
    """Return what lies beside a log and looks like a generation or copy of it, with when it was last changed (ns)."""
    form = _form(path)
    return {key: found for key, found in beside(path).items() if form.fullmatch(found[0].name)}


def generations(pattern: str) -> dict[FileId, tuple[Path, int]]:
    """Return what lies in the folders that a path or glob names and looks like a generation or copy of some log."""
    folders = glob(str(Path(pattern).parent), recursive=True)  # noqa: PTH207 - Path.glob takes no absolute patterns
    found = {key: file for folder in folders for key, file in beside(Path(folder) / "_").items()}
    return {key: file for key, file in found.items() if _ANY_GENERATION.fullmatch(file[0].name)}


def is_relative(path: Path, of: Path) -> bool:
    """Does a file's name look like that of a generation or copy of another's?

    `app.log.1`, `app.log-20261121`, `app-20261121.log`, `app.1.log`, `app.log.old`; not `app.log.2.gz`.
    """
    return path.parent == of.parent and _form(of).fullmatch(path.name) is not None


def moved_to(path: Path, wanted: FileId) -> Path | None:
    """Return where in its folder a file is now."""
    found = beside(path).get(wanted)
    return found[0] if found else None


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
    beside(folder / "_")


def _form(path: Path) -> re.Pattern[str]:
    stem, suffix = re.escape(path.stem), re.escape(path.suffix)
    return re.compile(rf"{stem}{suffix}{_GENERATION}(?:\.log)?|{stem}{_GENERATION}{suffix}")


def beside(path: Path) -> dict[FileId, tuple[Path, int]]:
    """Return what lies in a path's folder, with when it was last changed (ns); compressed files are left out.

    Raises:
        OSError: the folder cannot be read.
    """
    found: dict[FileId, tuple[Path, int]] = {}
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False) and not _COMPRESSED.search(entry.name):
                    stat = entry.stat(follow_symlinks=False)
                    found[file_id(stat)] = (Path(entry.path), stat.st_mtime_ns)
    except FileNotFoundError:
        return found  # one of them, or the folder, went away while we looked
    return found
