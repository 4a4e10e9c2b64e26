"""Look through a repository pool, and recover what is wrong in it."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError
from bridge.actions.git_slot_recover import GitSlotRecover
from bridge.actions.git_slot_release import GitSlotRelease
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import Place, exists, place, place_refusal
from bridge.actions.host.git import damage
from bridge.actions.host.slots import RepoName, read_pool, read_slot, seconds_since
from bridge.actions.lock_cleanup import LockCleanup

_MOST_SLOTS = 10_000
_RESULTS = (
    "long_allocated_released",
    "corrupted_recovered",
    "corrupted_isolated",
    "orphaned_locks_cleaned",
    "errors",
)


class GitPoolRecover(Action):
    """Look through the slots of a repository pool for the three anomalies, and recover what this step may.

    Corrupted slots (no folder, no `.git`, no readable branch or commit, findings of `git fsck`) are recovered as
    `git_slot_recover` does, and isolated where that fails; slots that have been allocated for too long are given back
    as `git_slot_release` does, with `force_release_long_allocated` only; orphaned locks go as with `lock_cleanup`.
    Slots in state `error`, and corrupted ones that are allocated, are shown and left to people. What was done is
    counted in `git_slot_recoveries_total{result}`, and stands in the output as JSON.

    **Changes** what those three change. **Needs** the pool's folder in `allow.roots`, and git. **Idempotent**: yes.
    **Backed up**: `slot.json` and work that was not committed, as they do. One slot that cannot be helped does not keep
    the others from it; the step fails in the end.

    Example:
        - git_pool_recover: {workspaces: /home/ci/.necrocode/workspaces, max_allocation_hours: 48, timeout: 1h}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN"})
    counts: ClassVar[str] = "git_slot_recoveries_total"

    workspaces: AbsolutePath
    """The folder of the pools, inside an allowed root."""
    repo: RepoName | None = None
    """Only this repository's pool; else every folder with a `pool.json`."""
    max_allocation_hours: float = Field(default=24, ge=0)
    """A slot that has been allocated for longer is one too long."""
    recover_corrupted: bool = True
    """Recover corrupted slots; else they are only shown."""
    cleanup_orphaned_locks: bool = True
    """Remove old locks that belong to no slot, if nobody holds them."""
    force_release_long_allocated: bool = False
    """Take slots that have been allocated for too long from whoever holds them; else they are only shown."""
    stale_lock_hours: float = Field(default=24, ge=0.1)
    """A lock that nobody has touched for so long is old."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folder if no root holds it."""
        why = place_refusal(self.workspaces, allow)
        if why:
            yield "workspaces", why

    def plan(self, context: StepContext) -> str:
        """Say what is wrong now, and what would be done about it."""
        found = [said for repo, slot in self._slots(context) for said in self._planned(repo, slot, context)]
        locks = [self._locks().plan(context)] if self._has_locks(context) else []
        return "; ".join([*found, *locks]) or "nothing is wrong"

    def run(self, context: StepContext) -> str:
        """Look at every slot, and do what may be done."""
        self.refuse(context)
        for result in _RESULTS:
            context.results[result] += 0
        for repo, slot in self._slots(context):
            with _counted(f"{repo}/{slot}", context):
                self._slot(repo, slot, context)
        if self._has_locks(context):
            with _counted("locks", context):
                self._clean(context)
        context.output.say(json.dumps(dict(context.results)))
        spelled = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in context.results.items() if count)
        if context.results["errors"]:
            raise StepError(f"{spelled}: see the output")
        return spelled or "nothing had to be recovered"

    def _slots(self, context: StepContext) -> Iterator[tuple[str, str]]:
        """Yield (repository, slot) for every slot that a pool says it has."""
        if self.repo is not None:
            names = [self.repo]
        else:
            names = sorted(file.parent.name for file in self.workspaces.glob("*/pool.json"))
        for name in names:
            pool = read_pool(place(self.workspaces / name, context.allow))
            for number in range(1, _slot_count(pool.data.get("num_slots"), name) + 1):
                yield name, f"slot{number}"

    def _problem(self, repo: str, slot: str, context: StepContext) -> tuple[str, str]:
        """Return what is wrong with a slot (`corrupted`, `allocated`, `error`, or nothing), and how that is said."""
        folder = self._place(repo, slot, context)
        if not exists(folder):
            return "corrupted", "its folder is missing"
        data = read_slot(folder).data
        why = damage(folder.path, context)
        if data.get("state") == "error":
            return "error", "it is in state error, and left to people"
        if why is not None and data.get("state") == "allocated":
            return "error", f"{why}, but it is allocated, and left to people"
        if why is not None:
            return "corrupted", why
        if data.get("state") == "allocated" and seconds_since(data.get("last_allocated_at")) > self._longest():
            return "allocated", f"it has been allocated for more than {self.max_allocation_hours:g} hours"
        return "", ""

    def _planned(self, repo: str, slot: str, context: StepContext) -> Iterator[str]:
        kind, why = self._problem(repo, slot, context)
        will = {
            "corrupted": "recover it" if self.recover_corrupted else "show it",
            "allocated": "give it back" if self.force_release_long_allocated else "show it",
            "error": "show it",
        }
        if kind:
            yield f"{repo}/{slot}: {why}: {will[kind]}"

    def _slot(self, repo: str, slot: str, context: StepContext) -> None:
        kind, why = self._problem(repo, slot, context)
        if kind:
            context.output.say(f"{repo}/{slot}: {why}")
        keys = {"workspaces": self.workspaces, "repo": repo, "slot": slot}
        if kind == "corrupted" and self.recover_corrupted:
            self._recover(GitSlotRecover.model_validate(keys), context)
        elif kind == "allocated" and self.force_release_long_allocated:
            release = {**keys, "force": True, "allocated_for": timedelta(seconds=self._longest())}
            context.output.say(GitSlotRelease.model_validate(release).run(context))
            context.results["long_allocated_released"] += 1

    def _recover(self, action: GitSlotRecover, context: StepContext) -> None:
        try:
            context.output.say(action.run(context))
        except StepError as error:
            folder = action.slot_place(context.allow)
            if not exists(folder) or read_slot(folder).data.get("state") != "error":
                raise
            context.output.say(str(error))
            context.results["corrupted_isolated"] += 1
        else:
            context.results["corrupted_recovered"] += 1

    def _has_locks(self, context: StepContext) -> bool:
        return self.cleanup_orphaned_locks and exists(place(self.workspaces / "locks", context.allow))

    def _clean(self, context: StepContext) -> None:
        cleaned = self._locks().clean(context)
        context.output.say(str(cleaned))
        context.results["orphaned_locks_cleaned"] += cleaned.removed

    def _locks(self) -> LockCleanup:
        return LockCleanup(
            workspaces=self.workspaces, stale_after=timedelta(hours=self.stale_lock_hours), orphaned_only=True
        )

    def _longest(self) -> float:
        return self.max_allocation_hours * 3600

    def _place(self, repo: str, slot: str, context: StepContext) -> Place:
        return place(self.workspaces / repo / slot, context.allow)


@contextmanager
def _counted(what: str, context: StepContext) -> Iterator[None]:
    """Do one part; what fails is counted, and the others go on, unless the step's time is up or the bridge ends."""
    try:
        yield
    except StepError as error:
        context.pause(0)
        context.output.say(f"{what}: {error}")
        context.results["errors"] += 1


def _slot_count(told: object, name: str) -> int:
    if not isinstance(told, int) or not 0 <= told <= _MOST_SLOTS:
        raise StepError(f"{name}/pool.json: num_slots is no number from 0 to {_MOST_SLOTS}")
    return told
