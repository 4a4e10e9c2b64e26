"""A mounted file system."""

import os
from dataclasses import replace
from pathlib import Path

from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckResult, Measured, Status, within

_GB = 1024**3


class Disk(Check):
    """How full the file system at a path is, in percent, as `df` counts it; and its inodes.

    The percentage of its inodes in use is a second value, with the unit `inodes_percent`.

        - {name: disk_space, kind: disk, path: /, threshold: 90, interval: 5m, critical: true}
    """

    path: Path = Field(default=Path("/"), description="Any path on the file system.")
    threshold: float = Field(default=90, gt=0, le=100, description="Percent of the space in use.")
    inodes_threshold: float | None = Field(default=90, gt=0, le=100, description="Percent of the inodes in use.")

    def run(self, context: CheckContext) -> CheckResult:
        del context
        stat = os.statvfs(self.path)
        used = stat.f_blocks - stat.f_bfree
        usage = _percent(used, used + stat.f_bavail)
        inodes = _percent(stat.f_files - stat.f_ffree, stat.f_files)
        free = stat.f_bavail * stat.f_frsize
        result = within(
            usage,
            self.threshold,
            "percent",
            f"{self.path} is {usage:.1f} % full, {free / _GB:.1f} GB free",
            usage_percent=round(usage, 1),
            free_gb=round(free / _GB, 2),
            inodes_percent=round(inodes, 1),
        )
        result = replace(result, also=(Measured(inodes, "inodes_percent", self.inodes_threshold),))
        if self.inodes_threshold is None or inodes <= self.inodes_threshold:
            return result
        message = f"{inodes:.1f} % of the inodes of {self.path} are in use, over {self.inodes_threshold:g} percent"
        return replace(result, status=Status.UNHEALTHY, message=message)


def _percent(part: int, whole: int) -> float:
    return 100 * part / whole if whole else 0.0
