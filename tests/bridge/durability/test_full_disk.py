"""A disk filled to its last byte, with the ledger on it: decided, fixed, on record; and when nothing helps, said."""

import itertools
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.bridge.durability.process import BridgeProcess, eventually
from tests.bridge.durability.small_disk import SmallDisk, small_disk
from tests.bridge.world import alert, notification

MIB = 1024**2
LOST = MIB
"""At most, each time: the piece that is set free, and parts of those that are handed over."""
CLEANUP = """
limits: {{concurrent: 8, runs_per_hour: 10000, targets: {{max: 1000, window: 1h}}}}
defaults: {{cooldown: 0s, max_retries: 0}}
allow: {{roots: ["{disk}/junk"]}}
remediations:
  - name: free-the-disk
    match: alertname="DiskFull"
    steps: [temp_file_cleanup: {{directories: ["{disk}/junk"], patterns: ["*.tmp"], older_than: 1h}}]
    verify: none
  - name: just-wait
    match: alertname="Other"
    steps: [wait: {{duration: 1ms}}]
    verify: none
"""
DAYS_AGO = (1_600_000_000, 1_600_000_000)


@contextmanager
def bridge_on(disk: SmallDisk, folder: Path, more: str = "") -> Iterator[BridgeProcess]:
    (disk.seen / "junk").mkdir()
    text = CLEANUP.format(disk=disk.folder) + more
    bridge = BridgeProcess(folder, text, data=disk.folder, beside=disk.beside)
    bridge.start()
    try:
        yield bridge
    finally:
        bridge.close()


def reserve(disk: SmallDisk) -> int:
    """Return how many real bytes are kept."""
    try:
        return (disk.seen / "ledger.db.reserve").stat().st_blocks * 512
    except FileNotFoundError:
        return 0


def metric(bridge: BridgeProcess, name: str) -> float:
    lines = bridge.ask("GET", "/metrics")[1].decode().splitlines()
    return float(next(line for line in lines if line.startswith(f"{name} ")).split()[1])


def fire(bridge: BridgeProcess, name: str, host: str, size: int = 0) -> tuple[int, object]:
    labels = {"alertname": name, "instance": f"{host}:9100"}
    body = notification(alert(labels, annotations={"summary": "x" * size}))
    return bridge.ask("POST", "/webhook", body)


def ended(bridge: BridgeProcess, count: int = 1) -> list[dict]:
    def runs() -> list[dict]:
        found = bridge.ask("GET", "/api/v1/runs")[1]["runs"]
        return found if sum(run["state"] == "ended" for run in found) >= count else []

    return eventually(runs)


def fill(disk: SmallDisk) -> None:
    """Fill it with what the remediation deletes."""
    disk.fill("junk/big.tmp")
    os.utime(disk.seen / "junk" / "big.tmp", DAYS_AGO)


def is_free_again(disk: SmallDisk, bridge: BridgeProcess) -> None:
    (run,) = ended(bridge)
    assert (run["remediation"], run["outcome"]) == ("free-the-disk", "unverified")
    assert "deleted 1 files" in run["steps"][0]["reason"]
    assert not (disk.seen / "junk" / "big.tmp").exists()
    eventually(lambda: reserve(disk) >= 16 * MIB)
    assert metric(bridge, "remediation_ledger_reserve_bytes") == 16 * MIB
    assert metric(bridge, "remediation_ledger_writable") == 1
    assert bridge.ask("GET", "/-/ready")[0] == 200


@pytest.mark.parametrize("kind", ["tmpfs", "ext4"])
def test_the_fix_of_a_full_disk_is_decided_run_and_recorded_on_that_disk(tmp_path: Path, kind: str) -> None:
    with small_disk(tmp_path / "d", kind) as disk, bridge_on(disk, tmp_path) as bridge:
        assert reserve(disk) >= 16 * MIB
        fill(disk)
        assert fire(bridge, "DiskFull", "web-1")[0] == 200
        is_free_again(disk, bridge)
        assert "a part of the reserve is given up" in bridge.log()


@pytest.mark.parametrize("end", [BridgeProcess.terminate, BridgeProcess.kill], ids=["SIGTERM", "SIGKILL"])
def test_it_starts_on_a_full_disk(tmp_path: Path, end: Callable[[BridgeProcess], object]) -> None:
    with small_disk(tmp_path / "d", "ext4") as disk, bridge_on(disk, tmp_path) as bridge:
        end(bridge)
        fill(disk)
        bridge.start()
        assert fire(bridge, "DiskFull", "web-1")[0] == 200
        is_free_again(disk, bridge)


def test_it_starts_and_works_where_nothing_of_what_it_says_can_be_written(tmp_path: Path) -> None:
    """Its log may be a file on the full disk, too."""
    with small_disk(tmp_path / "d") as disk, bridge_on(disk, tmp_path) as bridge, Path("/dev/full").open("ab") as full:
        bridge.terminate()
        fill(disk)
        said, bridge._log = bridge._log, full
        try:
            bridge.start()
            assert fire(bridge, "DiskFull", "web-1")[0] == 200
            is_free_again(disk, bridge)
            assert bridge.terminate() == 0
        finally:
            bridge._log = said


def works_on(_bridge: BridgeProcess) -> None:
    """Neither end it nor start it anew."""


@pytest.mark.parametrize("end", [works_on, BridgeProcess.terminate, BridgeProcess.kill])
def test_a_disk_without_an_inode_for_one_more_file_is_fixed_too(
    tmp_path: Path, end: Callable[[BridgeProcess], object]
) -> None:
    with small_disk(tmp_path / "d", "few inodes") as disk, bridge_on(disk, tmp_path) as bridge:
        end(bridge)
        files = fill_with_files(disk)
        if not bridge.pids():
            bridge.start()
        assert fire(bridge, "DiskFull", "web-1")[0] == 200
        (run,) = ended(bridge)
        assert (run["outcome"], run["steps"][0]["reason"]) == ("unverified", f"deleted {files} files (0 bytes)")


def fill_with_files(disk: SmallDisk) -> int:
    """Make files until not one more can be made; return how many were."""
    for number in itertools.count():
        try:
            (disk.seen / "junk" / f"{number}.tmp").touch()
        except OSError:
            return number
        os.utime(disk.seen / "junk" / f"{number}.tmp", DAYS_AGO)
    raise AssertionError("numbers never end")


def test_whoever_fills_the_disk_and_goes_on_does_not_get_the_reserve(tmp_path: Path) -> None:
    with small_disk(tmp_path / "d") as disk, bridge_on(disk, tmp_path) as bridge:
        fill(disk)
        over = threading.Event()

        def take_everything() -> None:
            while not over.is_set():
                disk.fill("thief")

        thief = threading.Thread(target=take_everything)
        thief.start()
        try:
            for number in range(20):
                assert fire(bridge, "Other", f"web-{number}")[0] == 200
            assert {run["outcome"] for run in ended(bridge, 20)} == {"unverified"}
        finally:
            over.set()
            thief.join()
        times = bridge.log().count("a part of the reserve is given up")
        assert 0 < (disk.seen / "thief").stat().st_size <= times * LOST


def test_when_the_reserve_is_used_up_it_refuses_says_why_and_goes_on_by_itself(tmp_path: Path) -> None:
    with small_disk(tmp_path / "d", size="24M") as disk, bridge_on(disk, tmp_path, "reserve: 2MiB\n") as bridge:
        fill(disk)
        taken, answer = [], (0, None)
        for number in range(1000):
            answer = fire(bridge, "Nobody", f"web-{number}", size=100_000)
            if answer[0] != 200:
                break
            taken.append(f"web-{number}:9100")
        why = "the ledger could not be written: database or disk is full"
        assert answer == (503, {"error": f"the notification could not be made durable: {why}"})
        assert len(taken) > 5
        assert bridge.ask("GET", "/-/ready") == (503, f"{why}\n".encode())
        assert metric(bridge, "remediation_ledger_writable") == 0
        assert metric(bridge, "remediation_ledger_reserve_bytes") == 0
        assert bridge.ask("GET", "/-/healthy")[0] == 200
        fire(bridge, "Resolved", "no-matter", size=0)  # a small one may still find room; that is no reason to be ready
        assert bridge.ask("GET", "/-/ready")[0] == 503
        (disk.seen / "junk" / "big.tmp").unlink()
        eventually(lambda: bridge.ask("GET", "/-/ready")[0] == 200)
        eventually(lambda: reserve(disk) >= 2 * MIB)
        seen = {each["labels"]["instance"] for each in bridge.ask("GET", "/api/v1/episodes")[1]["episodes"]}
        assert seen - {"no-matter:9100"} == set(taken), "what was refused left a trace, or what was taken is gone"
        assert fire(bridge, "Other", "late")[0] == 200
        ended(bridge)


def test_a_backup_that_does_not_fit_leaves_nothing_behind(tmp_path: Path) -> None:
    with small_disk(tmp_path / "d") as disk, bridge_on(disk, tmp_path) as bridge:
        fill(disk)
        before = {file.name for file in disk.seen.iterdir()}
        argv = disk.beside([sys.executable, "-m", "remedy", "backup", "--config", bridge.file, disk.folder / "copy.db"])
        done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 1
        assert "could not be made: database or disk is full" in done.stderr
        assert {file.name for file in disk.seen.iterdir()} == before
        assert fire(bridge, "DiskFull", "web-1")[0] == 200
        is_free_again(disk, bridge)
