"""Whoever works in a clone can write its `.git`: nothing in there lets git work elsewhere, or runs a program."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from bridge.actions.base import Allow, StepContext, StepError
from bridge.actions.git_pool_recover import GitPoolRecover
from bridge.actions.git_slot_recover import GitSlotRecover
from bridge.actions.git_slot_release import GitSlotRelease
from tests.bridge.actions.backups.test_backup_and_restore import picture
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.actions.file_actions import context_for
from tests.bridge.actions.pool import Pool, git
from tests.bridge.notifiers.conftest import Server

Poison = Callable[[Path, Path], None]
"""What is done to (a slot, another repository); `TRAP` is a program that nobody may start."""


def configured(text: str, url: str = "") -> Poison:
    """Add to the clone's configuration."""

    def poison(slot: Path, other: Path) -> None:
        trap = slot.parents[2] / "trap"
        with (slot / ".git" / "config").open("a") as config:
            config.write(text.format(trap=trap, other=other))
        if url:
            git("config", "remote.origin.url", url.format(trap=trap), cwd=slot)

    return poison


def filtered(slot: Path, other: Path) -> None:
    del other
    trap = slot.parents[2] / "trap"
    with (slot / ".git" / "config").open("a") as config:
        config.write(f'[filter "a.b=c"]\n\tsmudge = {trap}\n\tclean = {trap}\n\tprocess = {trap}\n\trequired = true\n')
    (slot / ".git" / "info" / "attributes").write_text("* filter=a.b=c\n")
    (slot / "README").write_text("changed\n")


def pointing(slot: Path, other: Path) -> None:
    shutil.rmtree(slot / ".git")
    (slot / ".git").write_text(f"gitdir: {other}/.git\n")


def linked(slot: Path, other: Path) -> None:
    shutil.rmtree(slot / ".git")
    (slot / ".git").symlink_to(other / ".git")


def sharing(slot: Path, other: Path) -> None:
    (slot / ".git" / "commondir").write_text(f"{other}/.git\n")


def storing(slot: Path, other: Path) -> None:
    shutil.copytree(slot / ".git" / "objects", other / ".git" / "objects", dirs_exist_ok=True)
    shutil.rmtree(slot / ".git" / "objects")
    (slot / ".git" / "objects").symlink_to(other / ".git" / "objects")


def alternate(slot: Path, other: Path) -> None:
    (slot / ".git" / "objects" / "info" / "alternates").write_text(f"{other}/.git/objects\n")
    configured("[core]\n\talternateRefsCommand = {trap}\n")(slot, other)


POISONS: dict[str, Poison] = {
    "a worktree elsewhere": configured("[core]\n\tworktree = {other}\n"),
    "a .git that is a file": pointing,
    "a .git that is a link": linked,
    "commondir": sharing,
    "objects elsewhere": storing,
    "alternates": alternate,
    "filters": filtered,
    "core.sshCommand": configured("[core]\n\tsshCommand = {trap}\n", "ssh://127.0.0.1:1/x"),
    "core.gitProxy": configured("[core]\n\tgitProxy = {trap}\n", "git://127.0.0.1:1/x"),
    "uploadpack": configured('[remote "origin"]\n\tuploadPack = {trap}\n'),
    "vcs": configured('[remote "origin"]\n\tvcs = ext\n'),
    "ext": configured('[protocol "ext"]\n\tallow = always\n', "ext::{trap} x"),
    "fsmonitor": configured("[core]\n\tfsmonitor = {trap}\n"),
}


def world(home: Path) -> tuple[Pool, Path]:
    """Make a pool, another repository that is nobody's business, and the trap."""
    pool, other = Pool(home), home / "other"
    other.mkdir()
    git("init", "-q", cwd=other)
    (other / "README").write_text("mine\n")
    git("add", "README", cwd=other)
    git("commit", "-q", "-m", "mine", cwd=other)
    (other / "README").write_text("changed\n")
    (other / "precious").write_text("new\n")
    (home / "trap").write_text(f"#!/bin/sh\ntouch {home}/trapped\n")
    (home / "trap").chmod(0o755)
    return pool, other


@pytest.fixture(autouse=True)
def _in_haste(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.actions.host.git._BETWEEN_TRIES_SECONDS", 0.01)


@pytest.fixture
def context(home: Path, make_context: MakeContext) -> StepContext:
    return make_context(Allow(roots=(home / "workspaces",)), seconds=30)


@pytest.mark.parametrize("name", POISONS)
def test_a_slot_is_repaired_or_cloned_anew_and_nothing_else_happens(
    name: str, home: Path, context: StepContext
) -> None:
    pool, other = world(home)
    slot = pool.add()
    POISONS[name](slot, other)
    before = picture(other)
    action = GitSlotRecover(workspaces=pool.workspaces, repo="app", slot="slot1", repo_url=f"file://{pool.origin}")
    action.run(context)
    assert picture(other) == before
    assert not (home / "trapped").exists()
    assert (slot / "README").read_text() == "one\n"
    assert pool.record(slot)["state"] == "available"
    assert git("config", "--get-all", "remote.origin.url", cwd=slot)


@pytest.mark.parametrize("name", POISONS)
def test_a_slot_is_given_back_or_left_with_the_reason(name: str, home: Path, context: StepContext) -> None:
    pool, other = world(home)
    slot = pool.add("allocated", allocated_hours_ago=25)
    POISONS[name](slot, other)
    before = picture(other)
    action = GitSlotRelease(workspaces=pool.workspaces, repo="app", slot="slot1", force=True)
    with suppress(StepError):
        action.run(context)
    assert picture(other) == before
    assert not (home / "trapped").exists()


def test_hooks_that_are_links_are_no_damage(home: Path, context: StepContext) -> None:
    pool, _ = world(home)
    (pool.add() / ".git" / "hooks" / "post-checkout").symlink_to(home / "trap")
    action = GitSlotRecover(workspaces=pool.workspaces, repo="app", slot="slot1")
    assert "whole and up to date" in action.run(context)
    assert not (home / "trapped").exists()


def test_helpers_are_not_asked_for_passwords(home: Path, context: StepContext, server: Server) -> None:
    pool, other = world(home)
    slot = pool.add()
    server.answers["*"] = (401, {})
    helper = "[credential]\n\thelper = !{trap}\n[core]\n\taskPass = {trap}\n[http]\n\tcookieFile = {other}/README\n"
    configured(helper + "\tsaveCookies = true\n", f"{server.url}/x")(slot, other)
    before = picture(other)
    action = GitSlotRecover(workspaces=pool.workspaces, repo="app", slot="slot1", repo_url=str(pool.origin))
    assert "cloned anew" in action.run(context)
    assert server.requests
    assert picture(other) == before
    assert not (home / "trapped").exists()


def test_a_poisoned_slot_of_a_pool_is_cloned_anew(home: Path, context: StepContext) -> None:
    pool, other = world(home)
    slot = pool.add()
    (slot.parent / "pool.json").write_text(f'{{"num_slots": 1, "repo_url": "{pool.origin}"}}')
    pointing(slot, other)
    before = picture(other)
    GitPoolRecover(workspaces=pool.workspaces).run(context)
    assert context.results["corrupted_recovered"] == 1
    assert "is no folder of its own" in context.output.text()
    assert picture(other) == before
    assert (slot / ".git").is_dir()


@pytest.mark.parametrize(
    ("record", "said"),
    [
        ("[" * 5000, "is damaged"),
        ('{"state": "allocated", "total_usage_seconds": NaN}', "NaN is no JSON"),
        ('{"state": "allocated", "last_allocated_at": "0001-01-01T00:00:00+23:59"}', None),
        ('{"state": "allocated", "total_usage_seconds": 1e999, "more": "\\ud800"}', None),
    ],
)
def test_a_record_that_was_made_to_harm(record: str, said: str | None, home: Path, context: StepContext) -> None:
    pool, _ = world(home)
    slot = pool.add()
    (slot / "slot.json").write_text(record)
    action = GitSlotRelease(workspaces=pool.workspaces, repo="app", slot="slot1", force=True, allocated_for="0s")
    if said is not None:
        with pytest.raises(StepError, match=said):
            action.run(context)
        assert (slot / "slot.json").read_text() == record
        return
    action.run(context)
    assert pool.record(slot)["state"] == "available"
    assert pool.record(slot)["total_usage_seconds"] == 0


MOUNTED = """
mount --bind "$1/other" "$1/workspaces/app/slot1/build" || exit 9
exec "$2" -m tests.bridge.actions.test_untrusted_clones "$1"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount of its own")
def test_what_is_mounted_in_a_clone_stays(home: Path) -> None:
    pool, other = world(home)
    (pool.add() / "build").mkdir()
    before = picture(other)
    argv = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(home), sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=60)
    assert "is a mount point" in done.stdout
    assert picture(other) == before


def on_a_mount(home: Path) -> None:
    """Try to repair the slot, and say what became of it."""
    action = GitSlotRecover(workspaces=home / "workspaces", repo="app", slot="slot1", repo_url=str(home / "origin"))
    try:
        print(action.run(context_for(home / "workspaces", home / "backups")))
    except StepError as refused:
        print(refused)


if __name__ == "__main__":
    on_a_mount(Path(sys.argv[1]))
