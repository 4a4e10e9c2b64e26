"""What a run has kept: one JSON line each in `manifest.jsonl`, on disk before the step that changes it begins."""

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Any, BinaryIO

from bridge.actions.base import StepError

_NAME = "manifest.jsonl"


class Kind(StrEnum):
    """In which way something was kept."""

    FILE = "file"
    DATABASE = "database"
    """A SQLite database, copied by its own backup."""
    FOLDER = "folder"
    """The folder itself; what is in it stands in lines of its own."""
    LINK = "link"
    """A symlink inside a folder; `note` is where it leads."""
    PERMISSIONS = "permissions"
    ABSENT = "absent"
    """There was nothing yet."""
    ASIDE = "aside"
    """An action kept it in a form of its own; `note` says how to put it back by hand."""


@dataclass(frozen=True)
class Entry:
    """One thing that was kept."""

    step: str
    """The action."""
    path: str
    """Where it was."""
    kind: Kind
    at: float
    """When it was kept, in unix seconds."""
    copy: str = ""
    """The name of the copy in the run's folder."""
    size: int = 0
    """Bytes of the copy."""
    mode: int = 0
    uid: int = -1
    gid: int = -1
    accessed_ns: int = 0
    modified_ns: int = 0
    attributes: dict[str, str] = field(default_factory=dict)
    """Extended attributes (access lists among them), in base64."""
    identity: str = ""
    """Tells whether the same thing has been changed since."""
    note: str = ""

    @property
    def about(self) -> tuple[str, bool]:
        """Return what it is a copy of: the path, and whether only its permissions."""
        return self.path, self.kind is Kind.PERMISSIONS

    def shown(self) -> dict[str, Any]:
        """Return what people and programs are shown of it."""
        shown = {"step": self.step, "path": self.path, "kind": self.kind, "size": self.size, "at": self.at}
        return {**shown, "note": self.note} if self.note else shown


@dataclass(frozen=True)
class Manifest:
    """The list in a run's folder."""

    folder: Path

    def read(self) -> list[Entry]:
        """Return what was kept, in order; nothing where there is no list.

        Raises:
            StepError: the list cannot be read.
        """
        try:
            text = (self.folder / _NAME).read_text(encoding="ascii")
            return [_entry(json.loads(line)) for line in text.splitlines(keepends=True) if line.endswith("\n")]
        except FileNotFoundError:
            return []
        except (OSError, ValueError, TypeError) as error:
            raise StepError(f"{self.folder / _NAME} cannot be read: {error}") from None

    def add(self, entries: Iterable[Entry]) -> None:
        """Write down what was kept, and see that list and folder are on the disk.

        Raises:
            OSError: it cannot be written.
        """
        with private_file(self.folder / _NAME, os.O_APPEND) as file:
            file.truncate(
                os.pread(file.fileno(), file.tell(), 0).rfind(b"\n") + 1
            )  # a crash may have cut the last line
            for entry in entries:
                file.write(json.dumps(asdict(entry)).encode("ascii") + b"\n")
            file.flush()
            os.fsync(file.fileno())
        for folder in (self.folder, self.folder.parent):
            sync(folder)


def _entry(data: dict[str, Any]) -> Entry:
    known = {each.name for each in fields(Entry)}
    return Entry(**{**{name: value for name, value in data.items() if name in known}, "kind": Kind(data["kind"])})


def private_file(file: Path, flags: int = os.O_TRUNC) -> BinaryIO:
    """Open a file of a run's folder for reading and writing; both are made where they are missing, for us alone.

    Raises:
        OSError: it cannot be opened.
    """
    for folder in (file.parent.parent, file.parent):
        folder.mkdir(mode=0o700, exist_ok=True)
    how = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC | flags
    opened = os.fdopen(os.open(file, how, 0o600), "r+b")
    opened.seek(0, os.SEEK_END)
    return opened


def sync(folder: Path) -> None:
    """See that the names in a folder are on the disk.

    Raises:
        OSError: they are not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
