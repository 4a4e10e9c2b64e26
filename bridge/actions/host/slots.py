"""Slots of a repository pool: `WORKSPACES/REPO/slotN/slot.json`, each with a lock in `WORKSPACES/locks/`.

The pool's own manager may be at work: a slot's lock (flock on `SLOT_ID.lock`, as the filelock library takes it) is
taken before the slot is touched, keys that are not known here are kept, and files are replaced whole.
"""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, StringConstraints

from bridge.actions.base import Allow, StepContext, StepError, StepTimeoutError
from bridge.actions.host.fields import AbsolutePath
from bridge.actions.host.folders import Place, opened_file, place, place_refusal
from bridge.actions.host.replacing import replace_file

_LOOK_AGAIN_SECONDS = 0.1
_LOCK_WAIT_SECONDS = 30.0
_LARGEST = 1024 * 1024

RepoName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9._-]*$", max_length=100)]
SlotName = Annotated[str, StringConstraints(pattern=r"^slot[0-9]{1,6}$")]


class OneSlot(BaseModel):
    """Fields that name one slot."""

    workspaces: AbsolutePath
    """The pool's folder, inside an allowed root."""
    repo: RepoName
    """The repository's name, as its folder is called."""
    slot: SlotName
    """The slot's folder: `slot1`."""

    @property
    def slot_id(self) -> str:
        """The name by which the pool knows it."""
        return f"workspace-{self.repo}-{self.slot}"

    @property
    def record(self) -> Path:
        """The file that the pool keeps about it."""
        return self.workspaces / self.repo / self.slot / "slot.json"

    def slot_refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the folder if no root holds it."""
        why = place_refusal(self.workspaces, allow)
        if why:
            yield "workspaces", why

    def slot_place(self, allow: Allow) -> Place:
        """Return the slot's folder."""
        return place(self.workspaces / self.repo / self.slot, allow)


@dataclass
class SlotRecord:
    """What `slot.json` or `pool.json` says, and the file as it was when it was read."""

    file: Place
    data: dict[str, Any]
    was: os.stat_result

    @property
    def metadata(self) -> dict[str, Any]:
        """The free part of it."""
        found = self.data.setdefault("metadata", {})
        if not isinstance(found, dict):
            raise StepError(f"{self.file.path}: metadata is no object")
        return found

    def write(self) -> None:
        """Put it back, whole.

        Raises:
            StepError: somebody changed it meanwhile, or it cannot be written.
        """
        replace_file(self.file, _spelled(self.data), self.was)


def _spelled(data: dict[str, Any]) -> bytes:
    try:
        return (json.dumps(data, indent=2, ensure_ascii=False) + "\n").encode()
    except UnicodeEncodeError:  # half a surrogate pair, which only an escape can spell
        return (json.dumps(data, indent=2) + "\n").encode()


def read_slot(folder: Place) -> SlotRecord:
    """Read a slot's record.

    Raises:
        StepError: it is missing or damaged.
    """
    return _read(Place(folder.root, (*folder.way, "slot.json")))


def read_pool(repo: Place) -> SlotRecord:
    """Read what a repository's pool says of itself.

    Raises:
        StepError: it is missing or damaged.
    """
    return _read(Place(repo.root, (*repo.way, "pool.json")))


def _read(file: Place) -> SlotRecord:
    with opened_file(file) as descriptor:
        was = os.fstat(descriptor)
        text = os.pread(descriptor, _LARGEST, 0)
    try:
        data = json.loads(text, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise StepError(f"{file.path} is damaged: {error}") from None
    if not isinstance(data, dict):
        raise StepError(f"{file.path} holds no object")
    return SlotRecord(file, data, was)


def _refuse(word: str) -> Any:
    raise ValueError(f"{word} is no JSON")


def isolate(slot: SlotRecord, reason: str) -> None:
    """Mark a slot as out of use, with time and reason; the state that it had is kept."""
    before = slot.data.get("state")
    if before != "error":
        slot.metadata["isolated_from"] = before
    slot.data["state"] = "error"
    slot.metadata.update(isolated_at=local_time(), isolation_reason=reason)


@contextmanager
def locked(workspaces: Place, slot_id: str, context: StepContext, seconds: float = _LOCK_WAIT_SECONDS) -> Iterator[int]:
    """Hold a slot's lock, and give its descriptor.

    Raises:
        StepError: somebody else holds it for longer than `seconds`, or the step may take.
    """
    file = Place(workspaces.root, (*workspaces.way, "locks", f"{slot_id}.lock"))
    with opened_file(file, os.O_RDWR | os.O_CREAT, 0o644) as descriptor:
        left = seconds
        while not try_lock(descriptor):
            if left <= 0:
                raise StepTimeoutError(f"somebody has held the lock of {slot_id} for {seconds:g} s")
            context.pause(_LOOK_AGAIN_SECONDS)
            left -= _LOOK_AGAIN_SECONDS
        yield descriptor


def try_lock(descriptor: int) -> bool:
    """Take the lock of an open file if nobody holds it; closing the file gives it back."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def local_time() -> str:
    """Write the time as the pool does: ISO, local, without its zone."""
    return datetime.now(UTC).astimezone().replace(tzinfo=None).isoformat()


def seconds_since(text: object) -> float:
    """Return the seconds since a time that the pool wrote (without a zone: local); 0 where it is none or to come."""
    try:
        then = datetime.fromisoformat(str(text)).astimezone(UTC)
    except (ValueError, OverflowError):
        return 0.0
    return max(0.0, (datetime.now(UTC) - then).total_seconds())
