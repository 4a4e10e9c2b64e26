"""What is a copy, while the original is emptied at the very moment at which both are compared."""

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from exporters.logs.copies import is_copy
from exporters.logs.position import Position, position_at
from exporters.logs.tail import Tail


@dataclass
class Emptied:
    """A position; its file is emptied before or after it is asked whether it holds it."""

    position: Position
    file: Path
    before: bool

    @property
    def head(self) -> object:
        return self.position.head

    def holds(self, fd: int) -> bool:
        if self.before:
            os.truncate(self.file, 0)
        held = self.position.holds(fd)
        os.truncate(self.file, 0)
        return held


@pytest.mark.parametrize("before", [True, False])
def test_a_copy_is_one_whenever_the_original_is_emptied(tmp_path: Path, before: bool) -> None:
    log, copy = tmp_path / "app.log", tmp_path / "app.log.1"
    log.write_bytes(b"one\ntwo\n")
    shutil.copyfile(log, copy)
    fd, copied = (os.open(file, os.O_RDONLY) for file in (log, copy))
    tail = Tail(log, fd, position_at(fd, 4))
    tail.position = Emptied(tail.position, log, before)  # type: ignore[assignment]
    assert is_copy(copied, [tail])
    tail.close()
    os.close(copied)
