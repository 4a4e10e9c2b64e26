"""Take a slot of a repository pool out of use."""

from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import StringConstraints

from bridge.actions.base import Action, Allow, StepContext, Touched
from bridge.actions.host.fields import Text
from bridge.actions.host.folders import place
from bridge.actions.host.slots import OneSlot, isolate, locked, read_slot


class GitSlotIsolate(OneSlot, Action):
    """Take a slot out of use: nobody is given it until a person has looked at it.

    **Changes** `slot.json`: `state` becomes `error`, `metadata.isolated_at` and `metadata.isolation_reason` are set;
    its clone stays as it is. **Needs** the pool's folder in `allow.roots`. **Idempotent**: yes. **Backed up**:
    `slot.json`; the state it had is kept as `metadata.isolated_from` too. The slot's lock is waited for, 30 s at most.

    Example:
        - git_slot_isolate: {workspaces: /srv/pool/workspaces, repo: app, slot: "{{ labels.slot }}"}
    """

    idempotent: ClassVar[bool] = True

    reason: Annotated[Text, StringConstraints(min_length=1, max_length=500)] = "isolated by remediation"
    """Why, for the person who looks at it."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folder if no root holds it."""
        yield from self.slot_refusals(allow)

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield the slot's record."""
        del context
        yield Touched(self.record)

    def plan(self, context: StepContext) -> str:
        """Say which slot, and how it is now."""
        state = read_slot(self.slot_place(context.allow)).data.get("state")
        return f"take {self.slot_id} out of use, which is {state} now"

    def run(self, context: StepContext) -> str:
        """Do it, under the slot's lock."""
        with locked(place(self.workspaces, context.allow), self.slot_id, context):
            slot = read_slot(self.slot_place(context.allow))
            before = slot.data.get("state")
            isolate(slot, self.reason)
            slot.write()
        return f"{self.slot_id} was {before} and is out of use"
