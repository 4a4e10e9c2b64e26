"""The processors."""

import time
from typing import NamedTuple

import psutil
from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckResult, within

_FIRST_LOOK = 0.5
"""Seconds that the first run watches; every later one looks back to the one before."""


class _Times(NamedTuple):
    busy: float
    total: float


class Cpu(Check):
    """How busy the processors were since the run before, all together, in percent.

    - {name: cpu_usage, kind: cpu, threshold: 95, interval: 1m}
    """

    threshold: float = Field(default=95, gt=0, le=100, description="Percent of all processors.")

    def run(self, context: CheckContext) -> CheckResult:
        before: _Times | None = context.memory.get("times")
        if before is None:
            before = _times()
            time.sleep(min(_FIRST_LOOK, context.remaining()))
        now = context.memory["times"] = _times()
        passed = now.total - before.total
        usage = 100 * (now.busy - before.busy) / passed if passed > 0 else 0.0
        count = psutil.cpu_count() or 1
        return within(
            usage,
            self.threshold,
            "percent",
            f"{count} processors are {usage:.1f} % busy",
            usage_percent=round(usage, 1),
            count=count,
        )


def _times() -> _Times:
    times = psutil.cpu_times()
    guest = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # already in user and nice
    total = sum(times) - guest
    return _Times(total - times.idle - getattr(times, "iowait", 0.0), total)
