"""How much is kept, for how long, and that a step whose backup fails is not run."""

import json
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bridge.actions.backup import Backup
from bridge.actions.backups.store import BackupLimits, BackupStore
from bridge.actions.base import Action, Allow, BackupFailedError, StepContext, StepOutcome, Touched
from bridge.ledger.journal import StepEnd
from bridge.ledger.runs import Run, RunState
from bridge.policy.remediation import Remediation, Step
from bridge.run.steps import Workshop
from tests.bridge import world
from tests.bridge.actions.conftest import MakeContext

DAY = 86400.0


class Overwrites(Action):
    """Writes over the files it is given."""

    paths: tuple[Path, ...] = ()
    ran: ClassVar[list[str]] = []

    def touched(self, context: StepContext) -> Iterator[Touched]:
        yield from map(Touched, self.paths)

    def plan(self, context: StepContext) -> str:
        return "overwrite"

    def run(self, context: StepContext) -> str:
        for path in self.paths:
            path.write_text("over")
        return "overwrote"


@pytest.fixture
def root(home: Path) -> Path:
    (home / "data").mkdir()
    return home / "data"


def file(root: Path, name: str, size: int) -> Path:
    (root / name).write_bytes(os.urandom(size))
    return root / name


def keep(store: BackupStore, context: StepContext, *paths: Path) -> None:
    store.keep(Overwrites(paths=paths), "overwrites", context)


def kept(store: BackupStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir())


def age(store: BackupStore, run: int, seconds: float) -> None:
    then = store.now() - seconds
    os.utime(store.of(run), (then, then))


def limits(size: int, keep: timedelta = timedelta(days=7)) -> Any:
    return lambda: BackupLimits(max_size=size, keep=keep)


def test_what_is_old_goes(root: Path, home: Path, make_context: MakeContext) -> None:
    store = BackupStore(home / "backups", limits(10**6))
    for run, days in ((1, 8), (2, 6), (3, 0)):
        keep(store, make_context(Allow(roots=(root,)), run=run), file(root, f"f{run}", 10))
        age(store, run, days * DAY)
    (home / "backups" / "notes").mkdir()
    store.forget()
    assert kept(store) == ["2", "3", "notes"]


def test_the_oldest_make_room_but_none_of_the_last_hour(root: Path, home: Path, make_context: MakeContext) -> None:
    store = BackupStore(home / "backups", limits(10_000))
    contexts = {run: make_context(Allow(roots=(root,)), run=run) for run in range(1, 6)}
    for run, hours in ((1, 5), (2, 4), (3, 0.5)):
        keep(store, contexts[run], file(root, f"f{run}", 2500))
        age(store, run, hours * 3600)
    keep(store, contexts[4], file(root, "f4", 3000))
    assert kept(store) == ["2", "3", "4"]
    with pytest.raises(BackupFailedError, match=r"backups may have 9.8 KiB altogether .* of the last hour\)"):
        keep(store, contexts[5], file(root, "f5", 5000))
    assert kept(store) == ["3", "4"]


def test_a_limit_that_is_lowered_holds(root: Path, home: Path, make_context: MakeContext) -> None:
    store = BackupStore(home / "backups", limits(10_000))
    for run in (1, 2):
        keep(store, make_context(Allow(roots=(root,)), run=run), file(root, f"f{run}", 2500))
        age(store, run, (5 - run) * 3600)
    store.limits = limits(4_000)
    store.forget()
    assert kept(store) == ["2"]


def test_too_many_files(root: Path, home: Path, make_context: MakeContext) -> None:
    for number in range(10_001):
        (root / str(number)).touch()
    with pytest.raises(BackupFailedError, match="more than 10000 files"):
        keep(BackupStore(home / "backups"), make_context(Allow(roots=(root,))), root)


def test_it_keeps_side_by_side(root: Path, home: Path, make_context: MakeContext) -> None:
    store = BackupStore(home / "backups", limits(10**6))
    contexts = [make_context(Allow(roots=(root,)), run=run) for run in range(1, 9)]
    for context in contexts:
        file(root, context.backups.name, 100)
    threads = [threading.Thread(target=keep, args=(store, each, root / each.backups.name)) for each in contexts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [len(store.listed(run)) for run in range(1, 9)] == [1] * 8


@pytest.fixture
def workshop(root: Path, home: Path) -> Workshop:
    remediation = world.policy(f"allow: {{roots: ['{root}']}}\nremediations: [{world.WAIT}]").remediations[0]
    run = Run(1, "wait-a-bit", "web-1", "web-1", RunState.RUNNING, 1, world.episode(), episode_open=True)
    return Workshop(
        run, remediation, Allow(roots=(root,)), BackupStore(home / "backups", limits(100)), threading.Event()
    )


def run_step(workshop: Workshop, remediation: Remediation, **keys: Any) -> StepEnd:
    doing = replace(workshop, remediation=remediation).start(Step("overwrites", Overwrites, keys), lambda _pid: None)
    assert doing.begins()
    return doing.end()


def test_a_step_whose_backup_fails_is_not_run(root: Path, workshop: Workshop) -> None:
    large, small = file(root, "large", 101), file(root, "small", 99)
    end = run_step(workshop, workshop.remediation, paths=[str(large)])
    assert (end.outcome, large.stat().st_size) == (StepOutcome.BACKUP_FAILED, 101)
    assert "raise backups.max_size, or say backup: skip" in end.reason
    assert run_step(workshop, workshop.remediation, paths=[str(large)], backup="skip").outcome is StepOutcome.SUCCEEDED
    large.write_bytes(b"x" * 101)
    usual = replace(workshop.remediation, backup=False)
    assert run_step(workshop, usual, paths=[str(large)]).outcome is StepOutcome.SUCCEEDED
    assert not workshop.backups.listed(1)
    end = run_step(workshop, workshop.remediation, paths=[str(small)])
    assert (end.outcome, small.read_text()) == (StepOutcome.SUCCEEDED, "over")
    assert "kept as it was" in end.output
    assert [entry.path for entry in workshop.backups.listed(1)] == [str(small)]


SMALL_DISK = """
set -e
mount -t tmpfs -o size=40M none "$1/backups"
exec "$2" -m tests.bridge.actions.backups.test_store "$1"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount of its own")
def test_a_disk_that_is_nearly_full_stays_free_for_the_ledger(home: Path, root: Path) -> None:
    (home / "backups").mkdir()
    file(root, "large", 20 * 1024**2)
    argv = ["unshare", "-m", "sh", "-c", SMALL_DISK, "sh", str(home), sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=30)
    said = json.loads(done.stdout)
    assert said["outcome"] == "backup_failed"
    assert "has 40.0 MiB free (32.0 MiB stay free)" in said["reason"]
    assert said["left"] == []


def on_a_small_disk(home: Path) -> dict[str, Any]:
    """Try to keep a file, in the namespace that has the small disk."""
    root = home / "data"
    context = StepContext({}, "t", "h", Allow(roots=(root,)), home / "backups" / "1", 1e12, threading.Event())
    try:
        keep(BackupStore(home / "backups"), context, root / "large")
    except BackupFailedError as error:
        left = sorted(path.name for path in (home / "backups").rglob("*"))
        return {"outcome": error.outcome, "reason": str(error), "left": left}
    return {}


if __name__ == "__main__":
    print(json.dumps(on_a_small_disk(Path(sys.argv[1]))))


def test_of_a_backup_that_has_no_room_nothing_stays(home: Path, make_context: MakeContext) -> None:
    """A write may take a part only, as on a full disk."""
    folder = home / "data"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / name).write_bytes(b"x" * (600_000 if name == "a" else 3_000_000))
    context = make_context(Allow(roots=(home,)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_500_000, hard))
    try:
        with pytest.raises(BackupFailedError, match="could not be copied first: File too large"):
            BackupStore(context.backups.parent).keep(Backup(paths=(folder,)), "backup", context)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [file for file in context.backups.parent.rglob("*") if file.is_file()] == []


def test_a_file_that_is_written_meanwhile_is_copied_as_it_was(home: Path, make_context: MakeContext) -> None:
    file = home / "app.log"
    file.write_text("before\n")

    class Written(StepContext):
        def pause(self, seconds: float) -> None:
            with file.open("a") as log:
                log.write("meanwhile\n" * 10)
            super().pause(seconds)

    context = Written(**vars(make_context(Allow(roots=(home,)))))
    BackupStore(context.backups.parent).keep(Backup(paths=(file,)), "backup", context)
    kept = (context.backups / "0001").read_text()
    assert kept.startswith("before\n")
    assert len(kept) < file.stat().st_size
