"""One run of a check: what it gave, whatever happened to it."""

from dataclasses import dataclass

from exporters.checks.base import Check, CheckContext, CheckResult, Status

GRACE_SECONDS = 0.5
"""After its timeout, in which a check may still say by itself what it waited for."""


@dataclass(frozen=True)
class Run:
    """One finished run of a check."""

    started_at: float
    """Unix time. A fix is proven only by a run that began after it."""
    seconds: float
    result: CheckResult


def look(check: Check, context: CheckContext) -> CheckResult:
    """Run a check; what it raises is `unknown`."""
    try:
        return check.run(context)
    except Exception as error:  # noqa: BLE001 - whatever a check raises is what it found
        return CheckResult(Status.UNKNOWN, str(error) or type(error).__name__)


def gave_up(seconds: float) -> CheckResult:
    """Make the result of a run that was given up after so long."""
    return CheckResult(Status.UNKNOWN, f"did not end within {seconds:g} s")
