"""One look with a check, made from its keys as a configuration would have them."""

import time
from typing import Any

from exporters import checks
from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Status
from remedy.config import kinds


def look(kind: str, memory: dict[str, Any] | None = None, *, seconds: float = 5, **keys: Any) -> CheckResult:
    """Look once; what the check raises for people is `unknown`, as the schedule has it."""
    check = kinds.load(checks, kind, Check, "kind of check").model_validate({"name": "it", "kind": kind, **keys})
    context = CheckContext(time.monotonic() + seconds, {} if memory is None else memory)
    try:
        return check.run(context)
    except CheckError as error:
        return CheckResult(Status.UNKNOWN, str(error))
