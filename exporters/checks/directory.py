"""A folder's size."""

import os
from collections.abc import Iterator
from pathlib import Path

from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckResult, within


class Directory(Check):
    """How much a folder holds, in bytes, with everything below it: for a quota that is smaller than the disk.

    Symbolic links are not followed and other file systems not entered.

        - {name: uploads, kind: directory, path: /srv/app/uploads, threshold: 500000000}
    """

    path: Path
    threshold: int = Field(gt=0, description="Bytes, the sum of the files' sizes.")

    def run(self, context: CheckContext) -> CheckResult:
        sizes = list(_sizes(self.path, self.path.stat().st_dev, context))
        message = f"{self.path} holds {sum(sizes)} bytes in {len(sizes)} files"
        return within(sum(sizes), self.threshold, "bytes", message, size_bytes=sum(sizes), files=len(sizes))


def _sizes(folder: Path | str, device: int, context: CheckContext) -> Iterator[int]:
    context.remaining()
    with os.scandir(folder) as entries:
        for entry in entries:
            try:
                stat = entry.stat(follow_symlinks=False)
                if not entry.is_dir(follow_symlinks=False):
                    yield stat.st_size
                elif stat.st_dev == device:
                    yield from _sizes(entry.path, device, context)
            except FileNotFoundError:
                continue  # it was removed while we looked
