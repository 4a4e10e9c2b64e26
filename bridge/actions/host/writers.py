"""Who has a file open for writing."""

import os
from collections.abc import Iterator
from pathlib import Path

_ACCESS = os.O_WRONLY | os.O_RDWR


def is_written(info: os.stat_result) -> bool:
    """Tell whether a process that we may look at has this file open for writing."""
    return any(_opens_for_writing(descriptor, info) for descriptor in _descriptors())


def _descriptors() -> Iterator[Path]:
    """Yield the open files of all processes; one that ends meanwhile has none (`Path.glob` fails there)."""
    with os.scandir("/proc") as entries:
        processes = [Path(entry.path) for entry in entries if entry.name.isdecimal()]
    for process in processes:
        try:
            with os.scandir(process / "fd") as entries:
                found = [Path(entry.path) for entry in entries]
        except OSError:
            continue  # ended, or none that we may look at
        yield from found


def _opens_for_writing(descriptor: Path, info: os.stat_result) -> bool:
    try:
        there = descriptor.stat()
        if (there.st_dev, there.st_ino) != (info.st_dev, info.st_ino):
            return False
        text = (descriptor.parents[1] / "fdinfo" / descriptor.name).read_text(encoding="ascii")
    except OSError:
        return False
    flags = next(line.split()[1] for line in text.splitlines() if line.startswith("flags:"))
    return bool(int(flags, 8) & _ACCESS)
