"""Repair a slot of a repository pool."""

import json
import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import AfterValidator, StringConstraints, TypeAdapter

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError, Touched
from bridge.actions.host.clones import refuse_mounts
from bridge.actions.host.fields import plain
from bridge.actions.host.folders import Place, exists, opened, parent_of, place
from bridge.actions.host.git import clone_into, fetch, git, set_work_aside
from bridge.actions.host.replacing import delete_tree, exchange
from bridge.actions.host.slots import OneSlot, SlotRecord, isolate, local_time, locked, read_pool, read_slot

_URL = r"^(https://|ssh://|git://|file:///|/|[A-Za-z0-9_.-]+@[A-Za-z0-9.-]+:)[^\s]+$"
RepoUrl = Annotated[str, AfterValidator(plain), StringConstraints(pattern=_URL, max_length=500)]


class GitSlotRecover(OneSlot, Action):
    """Make the clone of a slot whole again: check and refresh it; where that fails, clone it anew.

    **Changes**: first `git fsck --full`, `fetch --all --prune`, `reset --hard`, `clean -fdx` (never `slot.json`); where
    one of these fails, a new clone takes the slot's place in one rename, and the broken one stays beside it as
    `.slotN.broken`, in the place of an earlier one. `slot.json` becomes `available`, with `metadata.recovered_at`.
    Where that fails too, the slot is isolated, or with `force` marked `available` all the same. A slot whose folder is
    missing is cloned, with a new `slot.json`. **Needs** the pool's folder in `allow.roots`, and git. **Idempotent**:
    yes. **Backed up**: `slot.json` and work that was not committed, as `git_slot_release` does.

    Whoever works in a clone can write its `.git`, so nothing that its configuration names is run (filters, helpers for
    passwords); one that leads git elsewhere (`.git` as a file or link, `commondir`, links in it), or names an
    `uploadpack`, is cloned anew.

    An allocated slot is left alone unless `force`. What goes over the network is tried three times, a second apart, for
    300 s each; the slot's lock is waited for, 30 s at most.

    Example:
        - git_slot_recover: {workspaces: /srv/pool/workspaces, repo: app, slot: "{{ labels.slot }}", timeout: 20m}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_CHOWN"})

    repo_url: RepoUrl | None = None
    """Where to clone from; else the `repo_url` of the repository's `pool.json`."""
    force: bool = False
    """Also an allocated slot; and mark it `available` even where nothing helped."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folder if no root holds it."""
        yield from self.slot_refusals(allow)

    def touched(self, context: StepContext) -> Iterator[Touched]:
        """Yield the slot's record."""
        del context
        yield Touched(self.record)

    def plan(self, context: StepContext) -> str:
        """Say which slot, and how it is now."""
        folder = self.slot_place(context.allow)
        if not exists(folder):
            return f"clone {self.slot_id} anew: its folder is missing"
        state = self._not_in_use(folder).data.get("state")
        return f"check and refresh the clone of {self.slot_id}, which is {state} now, or clone it anew"

    def run(self, context: StepContext) -> str:
        """Do it, under the slot's lock."""
        with locked(place(self.workspaces, context.allow), self.slot_id, context):
            folder = self.slot_place(context.allow)
            if not exists(folder):
                _clone_missing(folder, self._source(folder), self.slot_id, context)
                return f"{self.slot_id}: its folder was missing; cloned anew"
            slot = self._not_in_use(folder)
            try:
                done = self._repair(folder, slot, context)
            except StepError as problem:
                context.pause(0)
                return self._gave_up(folder, str(problem))
        return f"{self.slot_id}: {done}"

    def _not_in_use(self, folder: Place) -> SlotRecord:
        slot = read_slot(folder)
        if slot.data.get("state") == "allocated" and not self.force:
            raise StepRefusedError(f"{self.slot_id} is allocated; it is repaired with force: true only")
        refuse_mounts(folder.path)
        return slot

    def _repair(self, folder: Place, slot: SlotRecord, context: StepContext) -> str:
        try:
            kept = set_work_aside(folder.path, self.slot_id, context)
            _refresh(folder, context)
        except StepError as problem:
            context.pause(0)
            context.output.say(f"a new clone is needed: {problem}")
            _clone_anew(folder, self._source(folder), slot, context)
            return "cloned anew; the broken clone stays beside it"
        _recovered(slot)
        slot.write()
        return f"whole and up to date; {kept}"

    def _source(self, folder: Place) -> str:
        """Say where to clone from: never from what stands in the clone itself."""
        if self.repo_url is not None:
            return self.repo_url
        repo = parent_of(folder)
        try:
            return TypeAdapter(RepoUrl).validate_python(read_pool(repo).data["repo_url"])
        except (ValueError, KeyError):
            raise StepError(f"{repo.path}/pool.json names no repo_url to clone from") from None

    def _gave_up(self, folder: Place, problem: str) -> str:
        slot = read_slot(folder)
        if not self.force:
            isolate(slot, f"could not be recovered: {problem}")
            slot.write()
            raise StepError(f"{self.slot_id} could not be recovered and was isolated: {problem}")
        slot.data["state"] = "available"
        slot.write()
        return f"{self.slot_id} could not be recovered ({problem}); it was marked available, as force says"


def _recovered(slot: SlotRecord) -> None:
    slot.data["state"] = "available"
    slot.metadata.pop("isolated_at", None)
    slot.metadata.pop("isolation_reason", None)
    slot.metadata["recovered_at"] = local_time()


def _refresh(folder: Place, context: StepContext) -> None:
    with opened(folder):
        clone = folder.path
    if git(clone, ["fsck", "--full", "--no-progress"], context):
        raise StepError("git fsck found damage")
    fetch(clone, context)
    for arguments in (["reset", "--hard", "--quiet"], ["clean", "-fdxq", "-e", "slot.json"]):
        if git(clone, arguments, context):
            raise StepError(f"git {arguments[0]} failed")


def _clone_missing(folder: Place, source: str, slot_id: str, context: StepContext) -> None:
    """Clone a slot whose folder is missing; its record begins anew."""
    repo, name = parent_of(folder), folder.way[-1]
    new, now = f".{name}.recovering", local_time()
    data = {
        "slot_id": slot_id,
        "repo_name": repo.way[-1],
        "repo_url": source,
        "slot_path": str(folder.path),
        "state": "available",
        "allocation_count": 0,
        "total_usage_seconds": 0,
        "last_allocated_at": None,
        "last_released_at": None,
        "current_branch": None,
        "current_commit": None,
        "metadata": {"recovered_at": now},
        "created_at": now,
        "updated_at": now,
    }
    with opened(repo) as descriptor:
        delete_tree(repo, new)
        clone_into(repo.path, source, new, context)
        made = Place(repo.root, (*repo.way, new))
        _write_record(made, replace(read_pool(repo), data=data))
        os.rename(new, name, src_dir_fd=descriptor, dst_dir_fd=descriptor)


def _clone_anew(folder: Place, source: str, slot: SlotRecord, context: StepContext) -> None:
    repo, name = parent_of(folder), folder.way[-1]
    new, broken = f".{name}.recovering", f".{name}.broken"
    with opened(repo) as descriptor:
        delete_tree(repo, new)
        clone_into(repo.path, source, new, context)
        _recovered(slot)
        _write_record(Place(repo.root, (*repo.way, new)), slot)
        delete_tree(repo, broken)
        os.rename(new, broken, src_dir_fd=descriptor, dst_dir_fd=descriptor)
        exchange(broken, name, descriptor)  # the last step: what is killed before or after it has lost nothing


def _write_record(clone: Place, slot: SlotRecord) -> None:
    with opened(clone) as folder:
        file = os.open("slot.json", os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW, 0o600, dir_fd=folder)
        with os.fdopen(file, "w", encoding="utf-8") as written:
            written.write(json.dumps(slot.data, indent=2, ensure_ascii=False) + "\n")
            os.fchown(file, slot.was.st_uid, slot.was.st_gid)
            os.fchmod(file, slot.was.st_mode & 0o777)
