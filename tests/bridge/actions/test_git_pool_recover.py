"""A repository pool, broken in every way: what is found, what is done about it, and what is left alone."""

import fcntl
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError
from bridge.actions.git_pool_recover import GitPoolRecover
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.actions.pool import Pool, git

Break = Callable[[Pool, Path], object]


def _no_branch(_: Pool, slot: Path) -> None:
    (slot / ".git" / "HEAD").write_text("nonsense\n")


def _no_commit(_: Pool, slot: Path) -> None:
    (slot / ".git" / "HEAD").write_text("ref: refs/heads/gone\n")


def _damaged_object(_: Pool, slot: Path) -> None:
    name = git("rev-parse", "HEAD:README", cwd=slot)
    loose = slot / ".git" / "objects" / name[:2] / name[2:]
    loose.parent.mkdir(exist_ok=True)
    for pack in (slot / ".git" / "objects" / "pack").glob("*"):
        pack.unlink()
    loose.unlink(missing_ok=True)


BROKEN: dict[str, Break] = {
    "no folder": lambda _, slot: shutil.rmtree(slot),
    "no .git": lambda _, slot: shutil.rmtree(slot / ".git"),
    "no branch": _no_branch,
    "no commit": _no_commit,
    "a damaged object": _damaged_object,
}


@pytest.fixture
def pool(home: Path) -> Pool:
    made = Pool(home)
    for _ in range(3):
        made.add()
    write_pool(made)
    return made


def write_pool(pool: Pool, **more: object) -> None:
    keys = {"repo_name": "app", "repo_url": str(pool.origin), "num_slots": len(pool.slots), "metadata": {}}
    (pool.workspaces / "app" / "pool.json").write_text(json.dumps({**keys, **more}))


@pytest.fixture
def context(pool: Pool, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(pool.workspaces,)))


def recovering(pool: Pool, **keys: object) -> GitPoolRecover:
    return GitPoolRecover.model_validate({"workspaces": pool.workspaces, **keys})


def counted(context: StepContext) -> dict[str, int]:
    """Return what was counted, and see that the output says the same as JSON."""
    last = json.loads(context.output.text().splitlines()[-1])
    assert last == dict(context.results)
    assert list(last) == [
        "long_allocated_released", "corrupted_recovered", "corrupted_isolated", "orphaned_locks_cleaned", "errors",
    ]  # fmt: skip
    return {name: count for name, count in last.items() if count}


def test_a_healthy_pool_is_left_as_it_is(pool: Pool, context: StepContext) -> None:
    (pool.slots[0] / "README").write_text("work\n")
    pool.lock("workspace-app-slot1", 100)
    before = [pool.record(slot) for slot in pool.slots]
    assert recovering(pool).run(context) == "nothing had to be recovered"
    assert counted(context) == {}
    assert [pool.record(slot) for slot in pool.slots] == before
    assert (pool.slots[0] / "README").read_text() == "work\n"
    assert pool.lock("workspace-app-slot1").exists()


@pytest.mark.parametrize("how", BROKEN)
def test_what_is_broken_is_recovered_and_its_neighbours_are_not_touched(
    how: str, pool: Pool, context: StepContext
) -> None:
    (pool.slots[2] / "README").write_text("work\n")
    BROKEN[how](pool, pool.slots[1])
    assert "recover it" in recovering(pool).plan(context)
    assert recovering(pool).run(context) == "1 corrupted recovered"
    assert counted(context) == {"corrupted_recovered": 1}
    assert pool.record(pool.slots[1])["state"] == "available"
    assert (pool.slots[1] / "README").read_text() == "one\n"
    assert (pool.slots[2] / "README").read_text() == "work\n"
    assert git("fsck", cwd=pool.slots[1]) == ""
    assert recovering(pool).run(context) == "1 corrupted recovered", "counted on: nothing new"


@pytest.mark.parametrize("how", [name for name in BROKEN if name != "no folder"])
def test_without_leave_it_is_only_shown(how: str, pool: Pool, context: StepContext) -> None:
    BROKEN[how](pool, pool.slots[1])
    assert recovering(pool, recover_corrupted=False).run(context) == "nothing had to be recovered"
    assert "app/slot2: " in context.output.text()
    assert pool.record(pool.slots[1])["state"] == "available"


def test_what_cannot_be_recovered_is_isolated_and_the_others_go_on(pool: Pool, context: StepContext) -> None:
    write_pool(pool, repo_url=f"{pool.home}/nowhere")
    for slot in pool.slots[:2]:
        shutil.rmtree(slot / ".git")
    pool.lock("workspace-app-slot9", 25)
    assert recovering(pool).run(context) == "2 corrupted isolated, 1 orphaned locks cleaned"
    assert [pool.record(slot)["state"] for slot in pool.slots] == ["error", "error", "available"]
    recovering(pool).run(context)
    assert counted(context)["corrupted_isolated"] == 2, "slots in error are left to people"
    assert "it is in state error" in context.output.text()


@pytest.mark.parametrize(
    ("hours", "keys", "state"),
    [
        (25, {"force_release_long_allocated": True}, "available"),
        (25, {}, "allocated"),
        (23, {"force_release_long_allocated": True}, "allocated"),
        (47, {"force_release_long_allocated": True, "max_allocation_hours": 48}, "allocated"),
        (49, {"force_release_long_allocated": True, "max_allocation_hours": 48}, "available"),
    ],
)
def test_who_has_held_a_slot_for_too_long_loses_it_when_told_so(
    hours: float, keys: dict[str, object], state: str, pool: Pool, context: StepContext
) -> None:
    slot = pool.add("allocated", allocated_hours_ago=hours)
    write_pool(pool)
    (slot / "README").write_text("work\n")
    recovering(pool, **keys).run(context)
    assert pool.record(slot)["state"] == state
    assert counted(context) == ({"long_allocated_released": 1} if state == "available" else {})
    kept = context.backups / "workspace-app-slot4.patch"
    assert kept.exists() == (state == "available"), "work that was not committed is kept aside"


def test_a_broken_slot_that_is_in_use_is_left_to_people(pool: Pool, context: StepContext) -> None:
    slot = pool.add("allocated", allocated_hours_ago=1)
    write_pool(pool)
    shutil.rmtree(slot / ".git")
    assert recovering(pool, force_release_long_allocated=True).run(context) == "nothing had to be recovered"
    assert "app/slot4: there is no .git, but it is allocated, and left to people" in context.output.text()


@pytest.mark.parametrize(
    ("name", "hours", "held", "stays"),
    [
        ("workspace-app-slot9", 25, False, False),
        ("workspace-app-slot9", 23, False, True),
        ("workspace-app-slot9", 25, True, True),
        ("workspace-app-slot1", 99, False, True),
        ("somebody else's", 99, False, True),
    ],
)
def test_only_old_locks_of_no_slot_that_nobody_holds_go(  # noqa: PLR0917 - a table
    name: str, hours: float, held: bool, stays: bool, pool: Pool, context: StepContext
) -> None:
    lock = pool.lock(name, hours)
    with lock.open("rb") as file:
        if held:
            fcntl.flock(file, fcntl.LOCK_EX)
        recovering(pool).run(context)
    assert lock.exists() == stays
    assert counted(context) == ({} if stays else {"orphaned_locks_cleaned": 1})
    lock.touch()
    recovering(pool, cleanup_orphaned_locks=False).run(context)
    assert lock.exists()


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_a_record_that_says_nothing_is_an_error_and_the_others_go_on(
    text: str, pool: Pool, context: StepContext
) -> None:
    (pool.slots[0] / "slot.json").write_text(text)
    shutil.rmtree(pool.slots[1] / ".git")
    with pytest.raises(StepError, match="1 corrupted recovered, 1 errors: see the output"):
        recovering(pool).run(context)
    assert (pool.slots[0] / "slot.json").read_text() == text


@pytest.mark.parametrize("slots", ["many", -1, 1e9, None])
def test_a_pool_that_says_nothing_of_its_slots(slots: object, pool: Pool, context: StepContext) -> None:
    write_pool(pool, num_slots=slots)
    with pytest.raises(StepError, match="num_slots"):
        recovering(pool).run(context)


def test_one_pool_or_all(pool: Pool, context: StepContext) -> None:
    shutil.rmtree(pool.slots[0] / ".git")
    with pytest.raises(StepError, match="cannot be opened"):
        recovering(pool, repo="other").run(context)
    assert recovering(pool, repo="app").run(context) == "1 corrupted recovered"


def test_another_folder_is_refused(pool: Pool, make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match="workspaces"):
        recovering(pool).run(make_context(Allow()))
    with pytest.raises(ValidationError):
        recovering(pool, repo="../x")


def test_a_pool_without_a_folder_for_locks_has_a_plan(pool: Pool, context: StepContext) -> None:
    (pool.workspaces / "locks").rmdir()
    assert GitPoolRecover(workspaces=pool.workspaces).plan(context) == "nothing is wrong"
