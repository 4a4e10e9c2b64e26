"""Puts back what a run kept: each thing at once and whole, inside the allowed roots, as it was before the run."""

import base64
import os
import sqlite3
import stat
from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from bridge.actions.backups.manifest import Entry, Kind
from bridge.actions.base import StepContext, StepError, StepRefusedError
from bridge.actions.host.folders import Place, opened, parent_of, place
from bridge.actions.host.permissions import thing
from bridge.actions.host.replacing import discard, unfinished
from bridge.actions.host.sqlite import database

_CHUNK = 1024 * 1024
_PAGES_AT_ONCE = 1000


def before_the_run(entries: Iterable[Entry]) -> list[Entry]:
    """Return how everything was before the run: of what was kept several times the first; content before permissions.

    A folder comes before what was in it.
    """
    first: dict[tuple[str, bool], Entry] = {}
    for entry in entries:
        first.setdefault(entry.about, entry)
    return sorted(first.values(), key=lambda entry: (entry.kind is Kind.PERMISSIONS, entry.path))


@dataclass(frozen=True)
class Restorer:
    """Puts things back from one run's folder."""

    folder: Path
    context: StepContext

    def put_back(self, entry: Entry) -> str:
        """Put one thing back and say what was done.

        Raises:
            StepError: it cannot be, and why.
        """
        there = place(Path(entry.path), self.context.allow)
        try:
            return self._ways()[entry.kind](there, entry)
        except OSError as error:
            raise StepError(f"'{there.path}': {error.strerror}") from None

    def _ways(self) -> dict[Kind, Callable[[Place, Entry], str]]:
        return {
            Kind.FILE: self._file,
            Kind.DATABASE: self._database,
            Kind.FOLDER: _folder,
            Kind.LINK: _link,
            Kind.PERMISSIONS: _permissions,
            Kind.ABSENT: lambda _there, _entry: "left as it is: there was nothing before the run",
            Kind.ASIDE: lambda _there, entry: f"by hand: {entry.note}",
        }

    def _file(self, there: Place, entry: Entry) -> str:
        name = there.way[-1]
        aside = unfinished(name)
        with opened(parent_of(there)) as folder:
            _refuse_other(folder, name, there, stat.S_ISREG)
            discard(aside, folder)
            new = os.open(
                aside, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600, dir_fd=folder
            )
            try:
                try:
                    self._fill(new, entry)
                finally:
                    os.close(new)
                os.rename(aside, name, src_dir_fd=folder, dst_dir_fd=folder)
            except BaseException:
                discard(aside, folder)
                raise
            os.fsync(folder)
        return "put back"

    def _fill(self, new: int, entry: Entry) -> None:
        with (self.folder / entry.copy).open("rb") as copy:
            while chunk := copy.read(_CHUNK):
                self.context.pause(0)
                _write_all(new, chunk)
        if os.fstat(new).st_size != entry.size:
            raise StepError(f"the copy of '{entry.path}' is not as large as it was when it was made")
        _own(new, entry)
        for name, value in entry.attributes.items():
            os.setxattr(new, name, base64.b64decode(value))
        os.utime(new, ns=(entry.accessed_ns, entry.modified_ns))
        os.fsync(new)

    def _database(self, there: Place, entry: Entry) -> str:
        """Let SQLite write the copy into the database, in one transaction, so that others may have it open."""
        copy = self.folder / entry.copy
        with opened(parent_of(there)) as folder:
            if not _exists(folder, there.way[-1]):
                return self._file(there, entry)
        with (
            closing(sqlite3.connect(f"file:{quote(str(copy))}?mode=ro&immutable=1", uri=True)) as source,
            database(there.path, self.context) as target,
        ):
            source.backup(target, pages=_PAGES_AT_ONCE, progress=self._goes_on)
        with thing(there) as found:
            _own(found.descriptor, entry)
        return "put back through SQLite"

    def _goes_on(self, *_: int) -> None:
        self.context.pause(0)


def _folder(there: Place, entry: Entry) -> str:
    if not there.way:
        return "it is an allowed root: left as it is"
    with opened(parent_of(there)) as folder:
        made = not _exists(folder, there.way[-1])
        if made:
            os.mkdir(there.way[-1], 0o700, dir_fd=folder)
        _refuse_other(folder, there.way[-1], there, stat.S_ISDIR)
    with thing(there) as found:
        _own(found.descriptor, entry)
    return "made again" if made else "it is there; owner and mode put back"


def _link(there: Place, entry: Entry) -> str:
    with opened(parent_of(there)) as folder:
        if _exists(folder, there.way[-1]):
            return "left as it is: something is there"
        os.symlink(entry.note, there.way[-1], dir_fd=folder)
    return "made again"


def _permissions(there: Place, entry: Entry) -> str:
    with thing(there) as found:
        if stat.S_ISREG(found.info.st_mode) and found.info.st_nlink > 1:
            raise StepRefusedError(f"'{there.path}' has another name elsewhere (a hard link)")
        _own(found.descriptor, entry)
    return "owner and mode put back"


def _own(descriptor: int, entry: Entry) -> None:
    """Give owner and mode back; what is right already needs no right to change it."""
    itself, now = Path(f"/proc/self/fd/{descriptor}"), os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (entry.uid, entry.gid):
        os.chown(itself, entry.uid, entry.gid)
    if stat.S_IMODE(os.fstat(descriptor).st_mode) != entry.mode:
        itself.chmod(entry.mode)


def _exists(folder: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _refuse_other(folder: int, name: str, there: Place, is_kind: Callable[[int], bool]) -> None:
    if _exists(folder, name) and not is_kind(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
        raise StepRefusedError(f"'{there.path}' is something else now; move it away first")


def _write_all(descriptor: int, data: bytes) -> None:
    while data:
        data = data[os.write(descriptor, data) :]
