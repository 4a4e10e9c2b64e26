"""Copies what a step will change: files with their metadata, SQLite databases by their own backup, folders whole."""

import base64
import os
import sqlite3
import stat
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from bridge.actions.backups.manifest import Entry, Kind, Manifest, private_file
from bridge.actions.base import BackupFailedError, StepContext, StepRefusedError, Touch, Touched
from bridge.actions.host.folders import Place, mount_of, opened, opened_file, parent_of, place
from bridge.actions.host.permissions import thing
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.sqlite import HEADER, database

_SHOWN = 20
_CHUNK = 1024 * 1024
_PAGES_AT_ONCE = 1000


@dataclass(frozen=True)
class Found:
    """Something that is to be kept, as it was when it was looked at; None: there is nothing."""

    place: Place
    touch: Touch
    info: os.stat_result | None

    @property
    def size(self) -> int:
        """Bytes that its copy will take; a database is counted with its log."""
        if self.touch is Touch.PERMISSIONS or self.info is None or not stat.S_ISREG(self.info.st_mode):
            return 0
        return self.info.st_size + _size_of(self.place.path.with_name(f"{self.place.path.name}-wal"))

    @property
    def about(self) -> tuple[str, bool]:
        """As `Entry.about`."""
        return str(self.place.path), self.touch is Touch.PERMISSIONS

    @property
    def identity(self) -> str:
        """Tell it from what it is after a change."""
        if self.info is None:
            return ""
        log = _size_of(self.place.path.with_name(f"{self.place.path.name}-wal"))
        info = self.info
        return f"{info.st_dev}:{info.st_ino}:{info.st_size}:{info.st_mtime_ns}:{info.st_ctime_ns}:{log}"


def _is_kept(attribute: str) -> bool:
    """People's own attributes and access lists; what the system's security keeps there it sets itself."""
    return attribute.startswith(("user.", "system.posix_acl"))


def _size_of(file: Path) -> int:
    try:
        return file.lstat().st_size
    except OSError:
        return 0


def look(touched: Touched, context: StepContext) -> Iterator[Found]:
    """Yield what is to be kept of one thing: the thing itself, and all that is in a folder. Other mounts are left out.

    Raises:
        StepRefusedError: it is in no allowed root, or a symlink leads there.
        StepError: a folder cannot be read.
    """
    start = place(touched.path, context.allow)
    first = _seen(start, touched.touch)
    if first.info is not None and stat.S_ISLNK(first.info.st_mode):
        raise StepRefusedError(f"'{start.path}' is a symlink; name the real file")
    yield first
    waiting = [start] if touched.touch is Touch.CONTENT and _is_folder(first) else []
    while waiting:
        folder = waiting.pop()
        context.pause(0)
        with opened(folder) as descriptor:
            mount = mount_of(descriptor)
            with os.scandir(descriptor) as entries:
                names = sorted(entry.name for entry in entries)
        for name in names:
            inner = _seen(Place(folder.root, (*folder.way, name)), touched.touch)
            if _is_folder(inner):
                if not _on_mount(inner.place, mount):
                    context.output.say(f"not copied: {inner.place.path} is a mount point")
                    continue
                waiting.append(inner.place)
            yield inner


def _is_folder(found: Found) -> bool:
    return found.info is not None and stat.S_ISDIR(found.info.st_mode)


def _on_mount(there: Place, mount: str) -> bool:
    with opened(parent_of(there)) as folder:
        descriptor = os.open(there.way[-1], os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
        try:
            return mount_of(descriptor) == mount
        finally:
            os.close(descriptor)


def _seen(there: Place, touch: Touch) -> Found:
    if not there.way:
        with opened(there) as descriptor:
            return Found(there, touch, os.fstat(descriptor))
    with opened(parent_of(there)) as folder:
        try:
            return Found(there, touch, os.stat(there.way[-1], dir_fd=folder, follow_symlinks=False))
        except FileNotFoundError:
            return Found(there, touch, None)


@dataclass
class Copier:
    """Copies for one step, into its run's folder."""

    step: str
    context: StepContext
    now: Callable[[], float] = time.time
    _number: int = field(init=False)

    def __post_init__(self) -> None:
        """Go on behind the copies that the run has already; what a crash left half is written over."""
        names = [entry.copy for entry in Manifest(self.context.backups).read()]
        self._number = max((int(name) for name in names if name.isdigit()), default=0)

    def keep(self, found: Iterable[Found]) -> list[Entry]:
        """Copy things and describe them; what has no content (sockets, pipes, devices) is left out.

        Where one cannot be copied none stays: a disk that is full needs the room.

        Raises:
            BackupFailedError: one was changed meanwhile.
            StepError: one cannot be read.
            OSError: a copy cannot be written.
        """
        entries, first = [], self._number + 1
        try:
            for one in found:
                self.context.pause(0)
                entry = self._keep(one)
                if entry is None:
                    self.context.output.say(f"not copied: {one.place.path} is no file and no folder")
                else:
                    entries.append(entry)
        except BaseException:
            for number in range(first, self._number + 1):
                self._copy_at(number).unlink(missing_ok=True)
            raise
        for entry in entries[:_SHOWN]:
            size = f" ({spell_size(entry.size)})" if entry.copy else ""
            self.context.output.say(f"kept as it was: {entry.path}, {entry.kind}{size}")
        if len(entries) > _SHOWN:
            self.context.output.say(f"kept as it was: {len(entries) - _SHOWN} more")
        return entries

    def _keep(self, found: Found) -> Entry | None:
        info = found.info
        if info is None:
            return self._entry(found, Kind.ABSENT)
        if found.touch is Touch.PERMISSIONS:
            with thing(found.place):
                return self._entry(found, Kind.PERMISSIONS)
        if stat.S_ISDIR(info.st_mode):
            return self._entry(found, Kind.FOLDER)
        if stat.S_ISLNK(info.st_mode):
            with opened(parent_of(found.place)) as folder:
                return self._entry(found, Kind.LINK, note=os.readlink(found.place.way[-1], dir_fd=folder))
        return self._file(found, info) if stat.S_ISREG(info.st_mode) else None

    def _file(self, found: Found, info: os.stat_result) -> Entry:
        with opened_file(found.place) as source:
            if os.fstat(source).st_ino != info.st_ino:
                raise BackupFailedError(f"{found.place.path} was switched while it was being copied")
            if os.pread(source, len(HEADER), 0) != HEADER:
                return self._plain(found, source)
        return self._database(found)

    def _plain(self, found: Found, source: int) -> Entry:
        self._number += 1
        attributes: dict[str, str] = {}
        for attribute in filter(_is_kept, os.listxattr(source)):
            attributes[attribute] = base64.b64encode(os.getxattr(source, attribute)).decode("ascii")
        with private_file(self._copy_at(self._number)) as copy:
            left = os.fstat(source).st_size  # a log that is written faster than it is copied has no end
            while left > 0 and (chunk := os.read(source, min(left, _CHUNK))):
                self.context.pause(0)
                left -= len(chunk)
                copy.write(chunk)
            copy.flush()
            os.fsync(copy.fileno())
            size = copy.tell()
        return self._entry(found, Kind.FILE, copy=f"{self._number:04}", size=size, attributes=attributes)

    def _database(self, found: Found) -> Entry:
        self._number += 1
        copy = self._copy_at(self._number)
        private_file(copy).close()
        with (
            database(found.place.path, self.context, read_only=True) as source,
            closing(sqlite3.connect(copy, isolation_level=None)) as target,
        ):
            source.backup(target, pages=_PAGES_AT_ONCE, progress=lambda *_: self.context.pause(0))
            target.execute("PRAGMA journal_mode=DELETE")
        with private_file(copy, 0) as written:
            os.fsync(written.fileno())
            size = written.tell()
        return self._entry(found, Kind.DATABASE, copy=copy.name, size=size)

    def _copy_at(self, number: int) -> Path:
        return self.context.backups / f"{number:04}"

    def _entry(
        self,
        found: Found,
        kind: Kind,
        *,
        copy: str = "",
        size: int = 0,
        attributes: dict[str, str] | None = None,
        note: str = "",
    ) -> Entry:
        info = found.info
        metadata = {} if info is None else {"mode": stat.S_IMODE(info.st_mode), "uid": info.st_uid, "gid": info.st_gid}
        times = {} if info is None else {"accessed_ns": info.st_atime_ns, "modified_ns": info.st_mtime_ns}
        return Entry(
            self.step,
            str(found.place.path),
            kind,
            self.now(),
            copy=copy,
            size=size,
            attributes=attributes or {},
            identity=found.identity,
            note=note,
            **metadata,
            **times,
        )
