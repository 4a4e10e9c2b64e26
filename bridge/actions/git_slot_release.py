"""Give a slot of a repository pool back."""

import math
from collections.abc import Iterator
from datetime import timedelta
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepRefusedError, Touched
from bridge.actions.host.folders import opened, place
from bridge.actions.host.git import set_work_aside
from bridge.actions.host.slots import OneSlot, SlotRecord, local_time, locked, read_slot, seconds_since
from remedy.config.durations import Duration, format_duration


class GitSlotRelease(OneSlot, Action):
    """Give a slot back that has been allocated for too long.

    **Changes** `slot.json`: `state` becomes `available`, `last_released_at` is set, and the time of use added to
    `total_usage_seconds`. **Needs** the pool's folder in `allow.roots`, and git. **Idempotent**: yes. **Backed up**:
    `slot.json`, and always the work that was not committed, as a patch (`SLOT_ID.patch`) and an archive of new files
    (`SLOT_ID.untracked.tar`), in the run's folder; the clone itself stays as it is. The slot's lock is waited for, 30 s
    at most.

    Example:
        - git_slot_release: {workspaces: /srv/pool/workspaces, repo: app, slot: "{{ labels.slot }}", force: true}
    """

    idempotent: ClassVar[bool] = True

    allocated_for: Annotated[Duration, Field(ge=timedelta(0))] = timedelta(hours=24)
    """Only a slot that has been allocated for so long."""
    force: bool = False
    """Give it back although nobody who holds it says that it is done. Without it the step only says what it found."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folder if no root holds it."""
        yield from self.slot_refusals(allow)

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield the slot's record."""
        del context
        yield Touched(self.record)

    def plan(self, context: StepContext) -> str:
        """Say which slot, and for how long it has been allocated."""
        used, why_not = self._used(read_slot(self.slot_place(context.allow)))
        return f"nothing: {why_not}" if why_not else f"give {self.slot_id} back, allocated for {_spelled(used)}"

    def run(self, context: StepContext) -> str:
        """Do it, under the slot's lock."""
        with locked(place(self.workspaces, context.allow), self.slot_id, context):
            folder = self.slot_place(context.allow)
            slot = read_slot(folder)
            used, why_not = self._used(slot)
            if why_not:
                return why_not
            with opened(folder):
                kept = set_work_aside(folder.path, self.slot_id, context)
            _release(slot, used)
        return f"{self.slot_id} was given back after {_spelled(used)}; {kept}"

    def _used(self, slot: SlotRecord) -> tuple[float, str]:
        """Return for how many seconds it has been allocated, and why it is not given back, if so.

        Raises:
            StepRefusedError: it would be, but nobody says `force`.
        """
        if slot.data.get("state") != "allocated":
            return 0.0, f"{self.slot_id} is {slot.data.get('state')}, not allocated"
        used = seconds_since(slot.data.get("last_allocated_at"))
        if used < self.allocated_for.total_seconds():
            return used, f"{self.slot_id} has been allocated for {_spelled(used)} only"
        if not self.force:
            raise StepRefusedError(f"{self.slot_id} is still allocated; it is taken away with force: true only")
        return used, ""


def _spelled(seconds: float) -> str:
    return format_duration(timedelta(seconds=int(seconds)))


def _release(slot: SlotRecord, used: float) -> None:
    before = slot.data.get("total_usage_seconds")
    known = before if isinstance(before, int | float) and math.isfinite(before) else 0
    slot.data["total_usage_seconds"] = known + int(used)
    slot.data["state"] = "available"
    slot.data["last_released_at"] = local_time()
    slot.write()
