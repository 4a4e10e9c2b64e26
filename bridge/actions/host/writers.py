"""Who has a file open for writing."""

import os
from pathlib import Path

_ACCESS = os.O_WRONLY | os.O_RDWR


def is_written(info: os.stat_result) -> bool:
    """Tell whether a process that we may look at has this file open for writing."""
    return any(_opens_for_writing(descriptor, info) for descriptor in Path("/proc").glob("[0-9]*/fd/*"))


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
