"""Files without content beside the ledger: a disk may have room and yet no inode for one more file.

A start needs a few: for SQLite's log and its index, and for the local socket. While the bridge works it needs none.
"""

import os
from contextlib import suppress
from pathlib import Path

_COUNT = 4


def keep(ledger: Path) -> None:
    """Make those that are not there, where that can be done."""
    for file in _files(ledger):
        with suppress(OSError):
            os.close(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))


def give(ledger: Path) -> bool:
    """Delete them, so that other files can be made; tell whether there were any."""
    given = 0
    for file in _files(ledger):
        with suppress(OSError):
            file.unlink()
            given += 1
    return given > 0


def _files(ledger: Path) -> list[Path]:
    return [ledger.with_name(f"{ledger.name}.spare-{number}") for number in range(1, _COUNT + 1)]
