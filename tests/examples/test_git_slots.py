"""examples/git-slots, run against real pools that are broken: what it finds, what it does, and how it ends."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.bridge.actions.pool import Pool
from tests.deploy.test_systemd import REMEDY, needs_analyze

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "git-slots"
ALLOCATED_FOR = {"aggressive": "24h", "maintenance": "5200w"}
"""What the strategy's file says of exporter.yml."""
STRATEGIES = ("detect", "conservative", "aggressive", "maintenance", "staged")


@pytest.fixture
def pool(tmp_path: Path) -> Pool:
    """Two good slots, in the place that the example names."""
    pool = Pool(tmp_path / "necrocode")
    for _ in range(2):
        pool.add()
    write_pools(pool)
    return pool


def write_pools(pool: Pool) -> None:
    keys = {"repo_name": "app", "repo_url": str(pool.origin), "num_slots": len(pool.slots), "metadata": {}}
    (pool.workspaces / "app" / "pool.json").write_text(json.dumps(keys))
    (pool.home / "config").mkdir(exist_ok=True)
    (pool.home / "config" / "pools.yaml").write_text(f"pools: {{app: {{num_slots: {len(pool.slots)}}}}}\n")


def run(pool: Pool, strategy: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Do what the timer does, with the example's files as they are but for their places."""
    configs = []
    for name in ("exporter", strategy):
        text = (EXAMPLE / f"{name}.yml").read_text()
        text = text.replace("/home/ci/.necrocode", str(pool.home)).replace("/var/lib/remedy", str(folder))
        if name == "exporter":
            text = text.replace("allocated_for: 48h", f"allocated_for: {ALLOCATED_FOR.get(strategy, '48h')}")
        file = folder / f"{name}.yml"
        file.write_text(text.replace("duration: 60s", "duration: 1s").replace("within: 1m", "within: 3s"))
        file.chmod(0o600)
        configs += ["--config", str(file)]
    argv = [REMEDY, "run", "--once", "--json", *configs]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)


def counts(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_nothing_is_wrong(pool: Pool, tmp_path: Path) -> None:
    done = run(pool, "conservative", tmp_path)
    assert (done.returncode, counts(done)["errors_detected"]) == (0, 0), done.stderr


def test_what_is_broken_is_recovered_and_proven(pool: Pool, tmp_path: Path) -> None:
    shutil.rmtree(pool.slots[1] / ".git")
    done = run(pool, "conservative", tmp_path)
    assert (done.returncode, counts(done)["fixes_succeeded"]) == (0, 1), done.stderr
    assert pool.record(pool.slots[1])["state"] == "available"
    assert (pool.slots[1] / ".git").is_dir()


def test_detection_touches_nothing(pool: Pool, tmp_path: Path) -> None:
    shutil.rmtree(pool.slots[1] / ".git")
    lock = pool.lock("workspace-app-slot9", 25)
    done = run(pool, "detect", tmp_path)
    assert (done.returncode, counts(done)["fixes_attempted"]) == (1, 0), done.stderr
    assert not (pool.slots[1] / ".git").exists()
    assert lock.exists()


@pytest.mark.parametrize(
    ("strategy", "hours", "state"),
    [
        ("conservative", 49, "allocated"), ("aggressive", 25, "available"), ("aggressive", 23, "allocated"),
        ("maintenance", 99, "allocated"), ("staged", 49, "available"), ("staged", 47, "allocated"),
    ],
)  # fmt: skip
@pytest.mark.slow  # six whole runs; in the quick tests the others stand for them
def test_each_strategy_takes_what_it_may(strategy: str, hours: float, state: str, pool: Pool, tmp_path: Path) -> None:
    slot = pool.add("allocated", allocated_hours_ago=hours)
    write_pools(pool)
    (slot / "README").write_text("work that was not committed\n")
    done = run(pool, strategy, tmp_path)
    assert pool.record(slot)["state"] == state, done.stderr
    kept = list((tmp_path / "backups").rglob("*.patch"))
    assert bool(kept) == (state == "available"), "the work is kept aside before the slot is given back"


def test_what_is_in_error_is_shown_and_left_to_people(pool: Pool, tmp_path: Path) -> None:
    slot = pool.add("error", metadata={"isolation_reason": "by hand"})
    write_pools(pool)
    before = pool.record(slot)
    done = run(pool, "conservative", tmp_path)
    assert done.returncode == 1
    assert pool.record(slot) == before


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_all_four_parameters_are_keys(strategy: str) -> None:
    text = (EXAMPLE / f"{strategy}.yml").read_text()
    for key in (
        "max_allocation_hours", "recover_corrupted", "cleanup_orphaned_locks", "force_release_long_allocated",
    ):  # fmt: skip
        assert re.search(rf"^ +{key}: \S+$", text, re.MULTILINE), key


@needs_analyze
def test_the_timers_are_systemds(tmp_path: Path) -> None:
    for unit in (EXAMPLE / "systemd").iterdir():
        text = unit.read_text().replace("/opt/remedy/bin/remedy", "/bin/true").replace("=ci", "=root")
        (tmp_path / unit.name).write_text(text)
    for unit in ("remedy-slots@detect.service", "remedy-slots-detect.timer", "remedy-slots-recover.timer"):
        argv = ["systemd-analyze", "verify", "--man=no", tmp_path / unit]
        if "@detect" in unit:
            shutil.copy(tmp_path / "remedy-slots@.service", tmp_path / unit)
        answer = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
        assert [line for line in answer.stderr.splitlines() if "remedy" in line] == []
