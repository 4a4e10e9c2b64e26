"""Main memory."""

import psutil
from pydantic import Field

from exporters.checks.base import Check, CheckContext, CheckResult, within

_GB = 1024**3


class Memory(Check):
    """How much of the main memory is in use, in percent: what programs could not have without swapping.

    - {name: memory_usage, kind: memory, threshold: 85}
    """

    threshold: float = Field(default=85, gt=0, le=100, description="Percent in use.")

    def run(self, context: CheckContext) -> CheckResult:
        del context
        memory = psutil.virtual_memory()
        return within(
            memory.percent,
            self.threshold,
            "percent",
            f"{memory.percent:.1f} % of the memory is in use, {memory.available / _GB:.1f} GB available",
            usage_percent=memory.percent,
            available_gb=round(memory.available / _GB, 2),
        )
