"""Rotate logs that have grown too large."""

import gzip
import os
from collections.abc import Iterator
from contextlib import suppress
from enum import StrEnum
from typing import Annotated, BinaryIO, ClassVar, Self

from pydantic import Field, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.host.fields import AbsolutePath, FileGlob
from bridge.actions.host.folders import (
    Place,
    StepMissingError,
    exists,
    opened,
    opened_file,
    parent_of,
    place_refusal,
    places_of,
)
from bridge.actions.host.replacing import discard, unfinished
from bridge.actions.host.sizes import Size, spell_size
from bridge.actions.host.sweep import Search, find
from bridge.actions.host.writers import is_written

_CHUNK = 1024 * 1024


class Method(StrEnum):
    """How a log is set aside."""

    RENAME = "rename"
    COPYTRUNCATE = "copytruncate"


class LogRotate(Action):
    """Set logs aside that have grown too large: `app.log` becomes `app.log.1`, that becomes `app.log.2.gz`, and so on.

    **Changes**: renames the logs, makes new empty ones with the same owner and mode, compresses older ones and deletes
    the one that would get a number beyond `keep`. **Needs** the logs in `allow.roots`, leave to write there, and for
    logs of others the right to give the new ones to them (root, CAP_CHOWN). **Idempotent**: yes; a rotation that was
    interrupted is taken up again. **Backed up**: nothing.

    With `rename` no line is lost: a writer goes on in `app.log.1` until it opens its log anew (a `process_signal` step
    after this one tells it to), and what somebody still writes is not compressed. `copytruncate` is for writers that
    never do that; lines written between the copy and the cut are lost, so prefer `rename`.

    Example:
        - log_rotate: {directories: [/var/log/itsm], patterns: ["*.log"], size: 10MiB, keep: 5}
        - process_signal: {processes: {name: itsm}, signal: USR1}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN"})

    files: tuple[AbsolutePath, ...] = ()
    """Logs, each inside an allowed root."""
    directories: tuple[AbsolutePath, ...] = ()
    """Folders whose logs are rotated, each inside an allowed root; not those below."""
    patterns: Annotated[tuple[FileGlob, ...], Field(min_length=1)] = ("*.log",)
    """Names of logs in `directories`."""
    size: Annotated[Size, Field(ge=1)] = 10 * 1024**2
    """Rotate what has at least so many bytes, as `10MiB`."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many rotated ones stay."""
    compress: bool = True
    """Compress those from the second on with gzip."""
    level: Annotated[int, Field(ge=1, le=9)] = 6
    """gzip's level."""
    method: Method = Method.RENAME
    """`rename` or `copytruncate`."""
    missing_ok: bool = False
    """Pass over logs and folders that are not there; else the step fails."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.files and not self.directories:
            raise ValueError("files or directories must be given")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield what no root holds."""
        for field in ("files", "directories"):
            for path in getattr(self, field):
                why = place_refusal(path, allow)
                if why:
                    yield field, why

    def plan(self, context: StepContext) -> str:
        """Name the logs that are large enough now."""
        large = ", ".join(f"{log.path} ({spell_size(size)})" for log, size in self._large(context))
        return f"rotate {large}" if large else f"nothing: no log has {spell_size(self.size)}"

    def run(self, context: StepContext) -> str:
        """Rotate them."""
        rotated = 0
        for log in places_of(self.files, context.allow, missing_ok=False):
            if exists(parent_of(log)):
                with opened(parent_of(log)) as folder:
                    _Rotation(self, folder, log, context).take_up()
        for log, size in list(self._large(context)):
            context.pause(0)
            with opened(parent_of(log)) as folder:
                try:
                    was_there = _Rotation(self, folder, log, context).run()
                except OSError as error:
                    raise StepError(f"'{log.path}' cannot be rotated: {error.strerror}") from None
            if not was_there:
                context.output.say(f"gone meanwhile: {log.path}")
                continue
            context.output.say(f"rotated: {log.path} ({spell_size(size)})")
            rotated += 1
        return f"rotated {rotated} logs"

    def _large(self, context: StepContext) -> Iterator[tuple[Place, int]]:
        search = Search(self.patterns, -1e9, recursive=False)
        for directory in places_of(self.directories, context.allow, missing_ok=self.missing_ok):
            for file in find(directory, search, context):
                found = Place(file.folder.root, (*file.folder.way, file.name))
                yield from self._if_large(found, missing_ok=True)  # nobody named it: it may be gone meanwhile
        for log in places_of(self.files, context.allow, missing_ok=self.missing_ok):
            yield from self._if_large(log, missing_ok=self.missing_ok)

    def _if_large(self, log: Place, *, missing_ok: bool) -> Iterator[tuple[Place, int]]:
        try:
            with opened_file(log) as descriptor:
                size = os.fstat(descriptor).st_size
        except StepMissingError:
            if missing_ok:
                return
            raise
        if size >= self.size:
            yield log, size


class _Rotation:
    """One log, in its open folder: moved one by one from the oldest on, so that a crash overwrites nothing.

    Its writer may set it aside as well, and others delete old ones: what is gone when its turn comes needs no move.
    """

    def __init__(self, wanted: LogRotate, folder: int, log: Place, context: StepContext) -> None:
        self._wanted, self._folder, self._log, self._context = wanted, folder, log, context
        self._name = log.way[-1]
        self._copying, self._compressing = unfinished(self._name), unfinished(f"{self._name}.gz")

    def take_up(self) -> None:
        """End what was interrupted when the log had its new name, and the new log did not have its own."""
        if not self._exists(self._name) and self._exists(self._copying):
            self._name_new()

    def run(self) -> bool:
        """Rotate it, and tell whether it was still there.

        Raises:
            OSError: it cannot be; a new log, a copy or a compressed one that is not whole does not stay.
        """
        for left in (self._copying, self._compressing):
            discard(left, self._folder)
        try:
            if not self._set_aside():
                discard(self._copying, self._folder)
                return False
            if self._wanted.method is Method.RENAME:
                self._name_new()
            if self._wanted.compress:
                for number in range(2, self._wanted.keep + 1):
                    self._compress(f"{self._name}.{number}")
        except BaseException:
            if self._exists(self._name):
                discard(self._copying, self._folder)
            discard(self._compressing, self._folder)
            raise
        return True

    def _set_aside(self) -> bool:
        """Make it number 1, and tell whether it was still there: nothing else is missed on the way."""
        try:
            info = os.stat(self._name, dir_fd=self._folder, follow_symlinks=False)
            if self._wanted.method is Method.RENAME:
                os.close(self._made(self._copying, info))
            for number in range(self._first_free(), 0, -1):
                for suffix in ("", ".gz"):
                    self._shift(number, suffix)
            if self._wanted.method is Method.RENAME:
                os.rename(self._name, f"{self._name}.1", src_dir_fd=self._folder, dst_dir_fd=self._folder)
            else:
                self._copy_and_cut()
        except (FileNotFoundError, StepMissingError):
            return False
        return True

    def _first_free(self) -> int:
        """Find the first number that is not in use: what lies beyond a gap need not move."""
        for number in range(1, self._wanted.keep):
            if not any(self._exists(f"{self._name}.{number}{suffix}") for suffix in ("", ".gz")):
                return number
        return self._wanted.keep

    def _shift(self, number: int, suffix: str) -> None:
        old, new = f"{self._name}.{number}{suffix}", f"{self._name}.{number + 1}{suffix}"
        with suppress(FileNotFoundError):
            if number == self._wanted.keep:
                os.unlink(old, dir_fd=self._folder)
            else:
                os.rename(old, new, src_dir_fd=self._folder, dst_dir_fd=self._folder)

    def _made(self, name: str, like: os.stat_result) -> int:
        """Make a file with the owner and the mode of another one, and return its descriptor."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        made = os.open(name, flags, 0o600, dir_fd=self._folder)
        try:
            now = os.fstat(made)
            if (now.st_uid, now.st_gid) != (like.st_uid, like.st_gid):
                os.fchown(made, like.st_uid, like.st_gid)
            os.fchmod(made, like.st_mode & 0o777)
        except BaseException:
            os.close(made)
            raise
        return made

    def _name_new(self) -> None:
        """Give the new log its name, unless its writer was faster."""
        with suppress(FileExistsError):
            os.link(self._copying, self._name, src_dir_fd=self._folder, dst_dir_fd=self._folder, follow_symlinks=False)
        os.unlink(self._copying, dir_fd=self._folder)

    def _copy_and_cut(self) -> None:
        with opened_file(self._log, os.O_RDWR) as log:
            with os.fdopen(self._made(self._copying, os.fstat(log)), "wb") as copy:
                self._copy(log, copy)
                os.fsync(copy.fileno())
                self._copy(log, copy)  # what came while the copy went to the disk
            os.rename(self._copying, f"{self._name}.1", src_dir_fd=self._folder, dst_dir_fd=self._folder)
            os.ftruncate(log, 0)

    def _copy(self, source: int, target: BinaryIO) -> None:
        """Copy all that is left of a file, to the last byte: what is read here may be cut off next."""
        while chunk := os.read(source, _CHUNK):
            target.write(chunk)
            self._context.pause(0)
        target.flush()

    def _compress(self, name: str) -> None:
        plain = Place(self._log.root, (*self._log.way[:-1], name))
        with suppress(StepMissingError), opened_file(plain) as source:
            info = os.fstat(source)
            if is_written(info):
                self._context.output.say(f"not compressed: somebody still writes to {plain.path}")
                return
            with os.fdopen(self._made(self._compressing, info), "wb") as raw:
                with gzip.GzipFile(name, "wb", self._wanted.level, raw, info.st_mtime) as packed:
                    while chunk := os.read(source, _CHUNK):
                        packed.write(chunk)
                        self._context.pause(0)
                raw.flush()
                os.fsync(raw.fileno())
            os.rename(self._compressing, f"{name}.gz", src_dir_fd=self._folder, dst_dir_fd=self._folder)
            discard(name, self._folder)

    def _exists(self, name: str) -> bool:
        try:
            os.stat(name, dir_fd=self._folder, follow_symlinks=False)
        except FileNotFoundError:
            return False
        return True
