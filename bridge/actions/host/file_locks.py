"""Who holds a POSIX lock on a file, as the kernel tells it in /proc/locks."""

import os
from pathlib import Path

_FIELDS = 6


def writers_locking(file: Path) -> set[int]:
    """Return the pids that hold a lock for writing on a file; none where it is missing."""
    try:
        info = file.lstat()
    except OSError:
        return set()
    return {
        pid for pid, place in _write_locks() if place == (os.major(info.st_dev), os.minor(info.st_dev), info.st_ino)
    }


def _write_locks() -> list[tuple[int, tuple[int, int, int]]]:
    """Read lines such as `1: POSIX  ADVISORY  WRITE 1234 fe:00:5678 0 EOF`; one with `->` waits for another."""
    found = []
    for line in Path("/proc/locks").read_text(encoding="ascii").splitlines():
        words = line.split()
        if len(words) < _FIELDS or words[1] not in ("POSIX", "OFDLCK") or words[3] != "WRITE" or int(words[4]) <= 0:
            continue
        major, minor, inode = words[5].split(":")
        found.append((int(words[4]), (int(major, 16), int(minor, 16), int(inode))))
    return found
