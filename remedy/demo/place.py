"""The demo's folder: held by one demo at a time, and recognised when it is used again."""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Self

_MARK = "demo.lock"


class PlaceError(Exception):
    """The folder cannot be used; the message says why and what to do."""


class Place:
    """A folder that is ours as long as this is open. Its lock is also the leash of the sample service."""

    def __init__(self, root: Path | None = None) -> None:
        """Use `root`, or a temporary folder that is removed at the end unless it is kept or something went wrong.

        Raises:
            PlaceError: the folder holds other things, another demo uses it, or it cannot be made.
        """
        self.keep = root is not None
        try:
            self.root = Path(tempfile.mkdtemp(prefix="remedy-demo-")) if root is None else _prepared(root.resolve())
            self._held = os.open(self.lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise PlaceError(f"{error.filename} cannot be used: {error.strerror}; choose another --dir") from None
        try:
            fcntl.flock(self._held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._held)
            raise PlaceError(f"another demo runs in {self.root}; choose another --dir") from None

    @property
    def lock(self) -> Path:
        """The file whose lock is held for as long as the demo lives."""
        return self.root / _MARK

    def write(self, name: str, text: str) -> Path:
        """Write a file that only its owner may read; return its path."""
        file = self.root / name
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        file.touch(mode=0o600)
        file.write_text(text, encoding="utf-8")
        return file

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.close(self._held)
        if not self.keep and not isinstance(error, Exception):
            shutil.rmtree(self.root, ignore_errors=True)


def _prepared(root: Path) -> Path:
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not (root / _MARK).exists() and any(root.iterdir()):
        raise PlaceError(f"{root} holds files that are no demo's; choose an empty or a new folder")
    return root
