"""Wait a while."""

from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, StepContext
from remedy.config.durations import Duration, format_duration


class Wait(Action):
    """Wait before the next step.

    **Changes** nothing. **Needs** a `timeout` longer than the wait. **Idempotent**: yes. **Backed up**: nothing.

    Example:
        - wait: {duration: 10s}
    """

    idempotent: ClassVar[bool] = True

    duration: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(hours=24))]
    """How long."""

    def plan(self, context: StepContext) -> str:
        """Say how long."""
        del context
        return f"wait {format_duration(self.duration)}"

    def run(self, context: StepContext) -> str:
        """Wait; the bridge's end cuts it short."""
        context.pause(self.duration.total_seconds())
        return f"waited {format_duration(self.duration)}"
