"""Tell people, and change nothing."""

from typing import Annotated, ClassVar

from pydantic import Field, StringConstraints

from bridge.actions.base import Action, StepContext
from bridge.actions.host.fields import Text


class Alert(Action):
    """Tell people through notifiers, with the story so far, and go on.

    **Changes** nothing on the host. **Needs** the names in `notifiers:`. **Idempotent**: yes: the same message is told
    once for an episode, however often the step is run. **Backed up**: nothing.

    It waits for nobody: the message stands in the ledger, and is delivered as escalations are, with their retries.

    Example:
        - alert: {to: [ops], message: "restarting {{ labels.instance }} now"}
    """

    idempotent: ClassVar[bool] = True

    to: Annotated[tuple[Annotated[str, StringConstraints(min_length=1, max_length=64)], ...], Field(min_length=1)]
    """Names of `notifiers:`."""
    message: Annotated[Text, StringConstraints(min_length=1, max_length=1000)] = "a remediation is at work"
    """One line, the first that people read."""

    def notifiers(self) -> tuple[str, ...]:
        """Name who is told."""
        return self.to

    def plan(self, context: StepContext) -> str:
        """Say who is told what."""
        del context
        return f"tell {', '.join(self.to)}: {self.message}"

    def run(self, context: StepContext) -> str:
        """Queue it."""
        new = context.tell(self.to, self.message)
        return f"told {', '.join(self.to)}" if new else f"{', '.join(self.to)} have been told before"
