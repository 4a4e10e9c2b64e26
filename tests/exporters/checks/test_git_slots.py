"""A pool of clones, broken in every way that it is known to break."""

import fcntl
import json
import os
import shutil
import subprocess
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from exporters.checks.base import Status
from tests.exporters.checks.looking import look

Break = Callable[[Path], object]


@pytest.fixture
def pool(tmp_path: Path) -> Path:
    """Make a pool of two good slots."""
    origin, pool = tmp_path / "origin", tmp_path / "workspaces" / "app"
    identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", "init", "-q", "-b", "main", origin], check=True)
    (origin / "file").write_text("text")
    subprocess.run(["git", "-C", origin, "add", "file"], check=True)
    subprocess.run(["git", "-C", origin, *identity, "commit", "-qm", "first"], check=True)
    pool.mkdir(parents=True)
    (tmp_path / "workspaces" / "locks").mkdir()
    (pool / "pool.json").write_text(json.dumps({"repo_name": "app", "repo_url": str(origin), "num_slots": 2}))
    for number in (1, 2):
        subprocess.run(["git", "clone", "-q", "--no-hardlinks", origin, pool / f"slot{number}"], check=True)
        change(pool, number, slot_id=f"workspace-app-slot{number}", repo_name="app", slot_path="x", state="available")
    return pool


def change(pool: Path, number: int, **keys: str) -> None:
    file = pool / f"slot{number}" / "slot.json"
    before = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**before, **keys}))


def ago(**past: float) -> str:
    return (datetime.now() - timedelta(**past)).isoformat()  # noqa: DTZ005 - local and without zone, as there


def lock(pool: Path, name: str, hours: float) -> Path:
    file = pool.parent / "locks" / f"{name}.lock"
    file.touch()
    os.utime(file, (time.time() - hours * 3600,) * 2)
    return file


def corrupt_object(pool: Path) -> None:
    for file in (pool / "slot1/.git/objects").glob("??/*"):
        file.chmod(0o600)
        file.write_bytes(b"not an object")


BREAKS: list[tuple[str, Break, str]] = [
    ("folder missing", lambda p: shutil.rmtree(p / "slot1"), "corrupted"),
    ("git missing", lambda p: shutil.rmtree(p / "slot1/.git"), "corrupted"),
    ("head unreadable", lambda p: (p / "slot1/.git/HEAD").write_text("nonsense"), "corrupted"),
    ("commit missing", lambda p: (p / "slot1/.git/refs/heads/main").unlink(), "corrupted"),
    ("objects damaged", corrupt_object, "corrupted"),
    ("slot.json is no JSON", lambda p: (p / "slot1/slot.json").write_text("{"), "corrupted"),
    ("slot.json of unknown state", lambda p: change(p, 1, state="lost"), "corrupted"),
    ("in error", lambda p: change(p, 1, state="error"), "in_error"),
    ("allocated for long", lambda p: change(p, 1, state="allocated", last_allocated_at=ago(days=2)), "long_allocated"),
    ("orphaned lock", lambda p: lock(p, "workspace-app-slot9", 25), "orphaned_lock"),
]  # fmt: skip


@pytest.mark.parametrize(("how", "kind"), [b[1:] for b in BREAKS], ids=[b[0] for b in BREAKS])
def test_broken(pool: Path, how: Break, kind: str) -> None:
    how(pool)
    result = look("git_slots", path=pool)
    assert (result.status, result.value, result.details.get(kind)) == (Status.UNHEALTHY, 1, 1), result


def test_healthy_with_everything_that_is_normal(pool: Path) -> None:
    change(pool, 1, state="allocated", last_allocated_at=ago(hours=23))
    subprocess.run(["git", "-C", pool / "slot2", "checkout", "-q", "--detach"], check=True)
    lock(pool, "workspace-app-slot1", 100)
    lock(pool, "workspace-other-slot9", 100)
    lock(pool, "workspace-app-2-slot9", 100)
    lock(pool, "workspace-app-slot8", 1)
    with lock(pool, "workspace-app-slot9", 100).open("rb") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        result = look("git_slots", path=pool)
    assert (result.status, result.message) == (Status.HEALTHY, "2 slots are as they should be")


def test_no_pool_and_no_time(pool: Path) -> None:
    assert look("git_slots", path=pool.parent.parent).status is Status.UNKNOWN
    assert look("git_slots", path=pool, seconds=0).status is Status.UNKNOWN


def test_all_pools_at_once_and_those_that_should_be_there(pool: Path, tmp_path: Path) -> None:
    shutil.copytree(pool, pool.with_name("web"))
    assert look("git_slots", path=pool.parent).details == {"slots": 4}
    change(pool.with_name("web"), 2, state="error")
    wanted = tmp_path / "pools.yaml"
    wanted.write_text("defaults: {num_slots: 2}\npools: {app: {num_slots: 2}, gone: {num_slots: 1}}\n")
    result = look("git_slots", path=pool.parent, pools_file=wanted)
    assert result.message == "gone has no pool; web/slot2 is in error"
    wanted.write_text("pools: [")
    assert look("git_slots", path=pool.parent, pools_file=wanted).status is Status.UNKNOWN
