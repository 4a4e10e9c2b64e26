"""Slots of a repository pool: isolated, released, their locks cleaned; its own manager may be at work."""

import fcntl
import json
import tarfile
import threading
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions import git_slot_recover, lock_cleanup
from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError, StepTimeoutError
from bridge.actions.git_slot_isolate import GitSlotIsolate
from bridge.actions.git_slot_recover import GitSlotRecover
from bridge.actions.git_slot_release import GitSlotRelease
from bridge.actions.host.replacing import exchange
from bridge.actions.host.slots import try_lock
from bridge.actions.lock_cleanup import LockCleanup
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.actions.pool import Pool, git


@pytest.fixture
def pool(home: Path) -> Pool:
    return Pool(home)


@pytest.fixture
def context(pool: Pool, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(pool.workspaces,)))


def keys(pool: Pool, slot: str = "slot1") -> dict[str, object]:
    return {"workspaces": pool.workspaces, "repo": "app", "slot": slot}


def test_an_isolated_slot_says_when_and_why(pool: Pool, context: StepContext) -> None:
    slot = pool.add("allocated", metadata={"kept": 1})
    GitSlotIsolate(**keys(pool), reason="壊れた clone").run(context)
    record = pool.record(slot)
    assert record["state"] == "error"
    assert record["metadata"]["isolation_reason"] == "壊れた clone"
    assert record["metadata"]["isolated_from"] == "allocated"
    assert record["metadata"]["kept"] == 1
    assert record["a key of tomorrow"] == ["受注"]
    assert "T" in record["metadata"]["isolated_at"]
    GitSlotIsolate(**keys(pool), reason="again").run(context)
    assert pool.record(slot)["metadata"]["isolated_from"] == "allocated"


def test_a_slot_that_was_forgotten_is_released(pool: Pool, context: StepContext) -> None:
    slot = pool.add("allocated", allocated_hours_ago=25)
    (slot / "README").write_text("changed\n")
    (slot / "new -rf $(id)").write_text("new\n")
    said = GitSlotRelease(**keys(pool), force=True).run(context)
    record = pool.record(slot)
    assert "was given back after 1d1h" in said
    assert record["state"] == "available"
    assert abs(record["total_usage_seconds"] - 100 - 25 * 3600) < 60
    assert record["last_released_at"]
    assert "+changed" in (context.backups / "workspace-app-slot1.patch").read_text()
    with tarfile.open(context.backups / "workspace-app-slot1.untracked.tar") as tar:
        assert tar.getnames() == ["new -rf $(id)"]
    assert (slot / "README").read_text() == "changed\n"


def test_a_clean_one_leaves_nothing_aside(pool: Pool, context: StepContext) -> None:
    pool.add("allocated", allocated_hours_ago=25)
    assert "no changes, 0 new files" in GitSlotRelease(**keys(pool), force=True).run(context)
    assert list(context.backups.iterdir()) == []


@pytest.mark.parametrize(
    ("state", "hours", "said"),
    [("available", 99, "not allocated"), ("error", 99, "not allocated"), ("allocated", 23, "only")],
)
def test_others_are_left_alone(state: str, hours: float, said: str, pool: Pool, context: StepContext) -> None:
    slot = pool.add(state, allocated_hours_ago=hours)
    before = pool.record(slot)
    assert said in GitSlotRelease(**keys(pool), force=True).run(context)
    assert pool.record(slot) == before


def test_nothing_is_taken_from_its_holder_unless_told(pool: Pool, context: StepContext) -> None:
    pool.add("allocated", allocated_hours_ago=25)
    with pytest.raises(StepRefusedError, match="force: true only"):
        GitSlotRelease(**keys(pool)).run(context)


def test_hooks_of_a_clone_do_not_run(pool: Pool, context: StepContext, home: Path) -> None:
    slot = pool.add("allocated", allocated_hours_ago=25)
    trap = home / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {home}/trapped\n")
    trap.chmod(0o755)
    with (slot / ".git" / "config").open("a") as config:
        config.write(
            f"[core]\n\tfsmonitor = {trap}\n\thooksPath = {home}\n\tpager = {trap}\n[diff]\n\texternal = {trap}\n"
        )
    GitSlotRelease(**keys(pool), force=True).run(context)
    assert not (home / "trapped").exists()


def test_a_lock_that_is_held_is_waited_for(pool: Pool, context: StepContext, make_context: MakeContext) -> None:
    slot = pool.add()
    with pool.lock("workspace-app-slot1").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(StepTimeoutError):
            GitSlotIsolate(**keys(pool)).run(make_context(context.allow, seconds=0.3))
        assert pool.record(slot)["state"] == "available"
        threading.Timer(0.3, fcntl.flock, (held, fcntl.LOCK_UN)).start()
        GitSlotIsolate(**keys(pool)).run(context)
    assert pool.record(slot)["state"] == "error"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"metadata": 1}'])
def test_a_damaged_record_is_said_and_left(text: str, pool: Pool, context: StepContext) -> None:
    slot = pool.add()
    (slot / "slot.json").write_text(text)
    with pytest.raises(StepError, match=r"slot\.json"):
        GitSlotIsolate(**keys(pool)).run(context)
    assert (slot / "slot.json").read_text() == text


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("repo", ".."),
        ("repo", "a/b"),
        ("repo", "-rf"),
        ("slot", "slot1/../slot2"),
        ("slot", "slotx"),
        ("workspaces", "x/y"),
    ],
)
def test_labels_cannot_lead_elsewhere(key: str, value: str) -> None:
    with pytest.raises(ValidationError):
        GitSlotIsolate.model_validate({"workspaces": "/srv/pool", "repo": "app", "slot": "slot1", key: value})


def test_a_slot_that_is_a_symlink_is_refused(pool: Pool, context: StepContext, home: Path) -> None:
    slot = pool.add()
    slot.rename(home / "elsewhere")
    slot.symlink_to(home / "elsewhere")
    with pytest.raises(StepRefusedError, match="symlink"):
        GitSlotIsolate(**keys(pool)).run(context)
    assert json.loads((home / "elsewhere" / "slot.json").read_text())["state"] == "available"


def test_locks_that_nobody_needs_go(pool: Pool, context: StepContext) -> None:
    pool.add()
    orphaned = pool.lock("workspace-app-slot9", age_hours=1)
    young_orphan = pool.lock("workspace-app-slot8")
    fresh = pool.lock("workspace-app-slot1", age_hours=1)
    foreign = pool.lock("somebody-else", age_hours=99)
    held = pool.lock("workspace-app-slot7", age_hours=99)
    with held.open("r+") as holder:
        fcntl.flock(holder, fcntl.LOCK_EX)
        said = LockCleanup(workspaces=pool.workspaces).run(context)
    assert said == "removed 1 locks; 1 are held by somebody"
    assert [file.exists() for file in (orphaned, young_orphan, fresh, foreign, held)] == [False, True, True, True, True]


def test_stale_ones_and_one_by_name(pool: Pool, context: StepContext) -> None:
    pool.add()
    pool.add()
    stale, fresh = pool.lock("workspace-app-slot1", age_hours=25), pool.lock("workspace-app-slot2")
    assert LockCleanup(workspaces=pool.workspaces).run(context) == "removed 1 locks"
    assert (stale.exists(), fresh.exists()) == (False, True)
    LockCleanup(workspaces=pool.workspaces, only="workspace-app-slot2").run(context)
    assert not fresh.exists()


def test_a_lock_that_is_a_symlink_is_not_followed(pool: Pool, context: StepContext, home: Path) -> None:
    (home / "precious").write_text("x")
    (pool.workspaces / "locks" / "workspace-app-slot9.lock").symlink_to(home / "precious")
    with pytest.raises(StepRefusedError):
        LockCleanup(workspaces=pool.workspaces, only="workspace-app-slot9").run(context)
    assert (home / "precious").read_text() == "x"


def recover(pool: Pool, **more: object) -> GitSlotRecover:
    return GitSlotRecover.model_validate({**keys(pool), "repo_url": str(pool.origin), **more})


def damage(slot: Path) -> None:
    for packed in (slot / ".git" / "objects").rglob("*"):
        if packed.is_file():
            packed.chmod(0o644)
            packed.write_bytes(b"broken")


def test_a_dirty_slot_becomes_clean_and_current(pool: Pool, context: StepContext) -> None:
    slot = pool.add("error", metadata={"isolated_at": "x", "isolation_reason": "y"})
    (slot / "README").write_text("changed\n")
    (slot / "junk").write_text("x")
    assert "whole and up to date; kept aside: changes, 1 new files" in recover(pool).run(context)
    record = pool.record(slot)
    assert record["state"] == "available"
    assert set(record["metadata"]) == {"recovered_at"}
    assert record["a key of tomorrow"] == ["受注"]
    assert git("status", "--porcelain", cwd=slot) == ""
    assert "+changed" in (context.backups / "workspace-app-slot1.patch").read_text()


@pytest.mark.parametrize("harm", ["objects", "no .git", "HEAD"])
def test_a_broken_one_is_cloned_anew(harm: str, pool: Pool, context: StepContext) -> None:
    slot = pool.add("error")
    if harm == "objects":
        damage(slot)
    elif harm == "HEAD":
        (slot / ".git" / "HEAD").write_text("nonsense")
    else:
        (slot / ".git").rename(slot / "not-git")
    (slot / "mine").write_text("work")
    assert "cloned anew" in recover(pool).run(context)
    assert git("log", "--format=%s", cwd=slot) == "one"
    assert pool.record(slot)["state"] == "available"
    assert pool.record(slot)["allocation_count"] == 3
    assert (slot.with_name(".slot1.broken") / "mine").read_text() == "work"
    assert not slot.with_name(".slot1.recovering").exists()


def test_the_source_is_the_pools_not_the_clones(pool: Pool, context: StepContext, home: Path) -> None:
    slot = pool.add("error", repo_url=f"ext::touch {home}/trapped")
    damage(slot)
    (pool.workspaces / "app" / "pool.json").write_text(json.dumps({"repo_url": str(pool.origin)}))
    assert "cloned anew" in recover(pool, repo_url=None).run(context)
    assert not (home / "trapped").exists()


@pytest.mark.parametrize("force", [False, True])
def test_what_cannot_be_recovered_is_isolated(force: bool, pool: Pool, context: StepContext) -> None:
    slot = pool.add("available")
    damage(slot)
    action = recover(pool, repo_url=str(pool.origin / "missing"), force=force)
    if force:
        assert "marked available, as force says" in action.run(context)
    else:
        with pytest.raises(StepError, match="was isolated"):
            action.run(context)
    record = pool.record(slot)
    assert record["state"] == ("available" if force else "error")
    assert ("isolation_reason" in record["metadata"]) is not force
    assert "failed 3 times" in str(record["metadata"].get("isolation_reason", "failed 3 times"))


def test_an_allocated_one_is_left_alone(pool: Pool, context: StepContext) -> None:
    slot = pool.add("allocated")
    (slot / "README").write_text("changed\n")
    with pytest.raises(StepRefusedError, match="is allocated"):
        recover(pool).run(context)
    assert (slot / "README").read_text() == "changed\n"


@pytest.mark.parametrize(
    "url", ["ext::sh -c id", "--upload-pack=id", "-rf", "file://x", "https://a b", "http://x/y", "https://x/\ny"]
)
def test_urls_that_are_none(url: str, pool: Pool) -> None:
    with pytest.raises(ValidationError):
        recover(pool, repo_url=url)


@pytest.mark.parametrize("when", ["before", "after"])
def test_killed_when_the_clones_change_places_nothing_of_the_broken_one_is_lost(
    when: str, pool: Pool, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = pool.add()
    (slot / "work").write_text("not committed")
    (slot / ".git" / "HEAD").write_text("nonsense")

    def killed(one: str, other: str, folder: int) -> None:
        if when == "after":
            exchange(one, other, folder)
        raise KeyboardInterrupt

    action = GitSlotRecover(**keys(pool), repo_url=str(pool.origin))
    with monkeypatch.context() as patched:
        patched.setattr(git_slot_recover, "exchange", killed)
        with pytest.raises(KeyboardInterrupt):
            action.run(context)
    assert (slot / "work").exists() == (when == "before")
    action.run(context)
    assert (slot / "README").read_text() == "one\n"
    assert (slot.parent / ".slot1.broken" / "work").read_text() == "not committed"
    assert not (slot.parent / ".slot1.recovering").exists()


def test_a_lock_that_its_holder_removes_meanwhile_is_no_failure(
    pool: Pool, context: StepContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    for slot in ("slot8", "slot9"):
        pool.lock(f"workspace-app-{slot}", age_hours=48)

    def taking(descriptor: int) -> bool:
        pool.lock("workspace-app-slot8").unlink(missing_ok=True)
        return try_lock(descriptor)

    monkeypatch.setattr(lock_cleanup, "try_lock", taking)
    assert LockCleanup(workspaces=pool.workspaces).run(context) == "removed 1 locks"
    assert list((pool.workspaces / "locks").iterdir()) == []
