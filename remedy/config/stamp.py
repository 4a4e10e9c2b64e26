"""Has a file changed? Files are read anew when they did, so that a renewed secret needs no restart."""

from pathlib import Path

Stamp = tuple[int, int, int] | None


def stamp(file: Path) -> Stamp:
    """Return what changes when a file does (inode, size, time in ns); None while there is none."""
    try:
        status = file.stat()
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns
