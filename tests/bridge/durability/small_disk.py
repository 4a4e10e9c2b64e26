"""A small disk of the test's own, that can be filled to its last byte: mounted where only the test sees it."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_BIG, _SMALL = 1024**2, 1
_NAMESPACE = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
_MOUNT = {
    "tmpfs": 'mount -t tmpfs -o size="$2" none "$1"',
    "few inodes": 'mount -t tmpfs -o size="$2",nr_inodes=60 none "$1"',
    "ext4": 'truncate -s "$2" "$1.image" && mkfs.ext4 -q -m 5 "$1.image" && mount -o loop "$1.image" "$1"',
}
_STAY = " && echo mounted && exec sleep infinity"


@dataclass(frozen=True)
class SmallDisk:
    """A mounted disk; `folder` is its path for what runs beside it, `seen` the same for the test."""

    pid: int
    folder: Path

    @property
    def seen(self) -> Path:
        """The folder as the test sees it."""
        return Path(f"/proc/{self.pid}/root{self.folder}")

    def beside(self, argv: Sequence[str | Path]) -> list[str]:
        """Make of a command one that sees the disk."""
        enter = ["nsenter", f"--target={self.pid}", "--mount"]
        enter += [] if os.geteuid() == 0 else ["--user", "--preserve-credentials"]
        return [*enter, "--", *map(str, argv)]

    def fill(self, name: str = "junk.tmp") -> int:
        """Write into a file until not one byte more can be written; return how many were."""
        written = 0
        descriptor = os.open(self.seen / name, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            for size in (_BIG, 4096, _SMALL):
                written += _until_full(descriptor, size)
        finally:
            os.close(descriptor)
        return written

    def free(self) -> int:
        """Return how many bytes can still be had."""
        disk = os.statvfs(self.seen)
        return disk.f_bavail * disk.f_frsize


def _until_full(descriptor: int, size: int) -> int:
    written = 0
    while True:
        try:
            written += os.write(descriptor, b"x" * size)
        except OSError:
            return written


@contextmanager
def small_disk(folder: Path, kind: str = "tmpfs", size: str = "64M") -> Iterator[SmallDisk]:
    """Mount one at a folder; skip where that cannot be done."""
    if sys.platform != "linux":
        pytest.skip("namespaces are Linux's")
    folder.mkdir()
    argv = [*_NAMESPACE, "sh", "-c", _MOUNT[kind] + _STAY, "sh", str(folder), size]
    holder = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        if holder.stdout.readline() != "mounted\n":
            pytest.skip(f"no {kind} can be mounted here: {holder.communicate()[1].strip()}")
        yield SmallDisk(holder.pid, folder)
    finally:
        holder.kill()
        holder.communicate()
