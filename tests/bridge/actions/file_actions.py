"""Every action that changes files, with something for it to do in one folder: tests attack and interrupt them all."""

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bridge.actions.backup_and_fix_json import BackupAndFixJson
from bridge.actions.backups.store import BackupStore
from bridge.actions.base import Action, Allow, StepContext
from bridge.actions.cache_clear import CacheClear
from bridge.actions.create_missing_dirs import CreateMissingDirs
from bridge.actions.database_vacuum import DatabaseVacuum
from bridge.actions.fix_permissions import FixPermissions
from bridge.actions.git_slot_isolate import GitSlotIsolate
from bridge.actions.lock_cleanup import LockCleanup
from bridge.actions.log_rotate import LogRotate
from bridge.actions.old_file_cleanup import OldFileCleanup
from bridge.actions.restore_backup import RestoreBackup
from bridge.actions.sqlite_backup import SqliteBackup
from bridge.actions.sqlite_checkpoint import SqliteCheckpoint
from bridge.actions.temp_file_cleanup import TempFileCleanup

ROWS = 300
_OLD = time.time() - 40 * 86_400
LOG = "".join(f"line {number}\n" for number in range(1000))


@dataclass(frozen=True)
class FileAction:
    """An action, and what there is for it to do."""

    name: str
    make: Callable[[Path], Action]
    """Make the action that works in a folder."""


def fill(folder: Path) -> None:
    """Put something for every one of them into a folder."""
    for name in ("cache/deep", "old", "copies", "logs", "app/slot1", "locks"):
        (folder / name).mkdir(parents=True)
    for name in ("cache/a", "cache/deep/b", "old/a.tmp", "old/b.tmp", "locks/workspace-app-slot9.lock"):
        (folder / name).write_text("x" * 100 if "lock" not in name else "")
        os.utime(folder / name, (_OLD, _OLD))
    for name in ("a.json", "b.json"):
        (folder / name).write_text('{"受注": [1, 2,]}')
    (folder / "logs" / "app.log").write_text(LOG)
    (folder / "logs" / "app.log.1").write_text("older\n" * 100)
    (folder / "app" / "slot1" / "slot.json").write_text(
        json.dumps({"state": "allocated", "metadata": {}, "more": "受注"})
    )
    with closing(sqlite3.connect(folder / "a.db")) as db:
        db.execute("PRAGMA synchronous=OFF")
        db.execute("CREATE TABLE t (x)")
        db.executemany("INSERT INTO t VALUES (?)", [("x" * 500,)] * ROWS * 2)
        db.commit()
        db.execute(f"DELETE FROM t WHERE rowid > {ROWS}")
        db.commit()


def context_for(root: Path, backups: Path, run: int = 1, seconds: float = 20) -> StepContext:
    """Make the context of a step that may touch the root."""
    allow = Allow(roots=(root,))
    return StepContext({}, "t", "h", allow, backups / str(run), time.monotonic() + seconds, threading.Event())


def work(action: Action, context: StepContext) -> str:
    """Do what a run does with a step."""
    BackupStore(context.backups.parent).keep(action, "a_step", context)
    return action.run(context)


def _restore(folder: Path) -> RestoreBackup:
    del folder
    return RestoreBackup(run_id="7")


def keep_for_restore(folder: Path, root: Path, backups: Path) -> None:
    """Let run 7 keep what is in a folder, so that it can be put back."""
    action = FixedChanges(paths=(folder / "a.json", folder / "cache", folder / "a.db"))
    BackupStore(backups).keep(action, "a_step", context_for(root, backups, 7))


class FixedChanges(Action):
    """Stands for a step that changes some paths."""

    paths: tuple[Path, ...]

    def touched(self, context: StepContext) -> Any:
        from bridge.actions.base import Touched

        yield from map(Touched, self.paths)

    def plan(self, context: StepContext) -> str:
        return ""

    def run(self, context: StepContext) -> str:
        return ""


ACTIONS = [
    FileAction("backup_and_fix_json", lambda folder: BackupAndFixJson(directories=(folder,))),
    FileAction("cache_clear", lambda folder: CacheClear(directories=(folder / "cache",))),
    FileAction(
        "create_missing_dirs", lambda folder: CreateMissingDirs(directories=(folder / "new" / "er",), mode="0750")
    ),
    FileAction(
        "fix_permissions",
        lambda folder: FixPermissions(paths=(folder / "cache",), mode="0640", dir_mode="0750", recursive=True),
    ),
    FileAction("log_rotate", lambda folder: LogRotate(directories=(folder / "logs",), size=1, keep=3)),
    FileAction(
        "log_rotate_copytruncate",
        lambda folder: LogRotate(directories=(folder / "logs",), size=1, keep=3, method="copytruncate"),
    ),
    FileAction("old_file_cleanup", lambda folder: OldFileCleanup(directories=(folder / "old",), days=7)),
    FileAction("temp_file_cleanup", lambda folder: TempFileCleanup(directories=(folder / "old",), patterns=("*.tmp",))),
    FileAction("sqlite_backup", lambda folder: SqliteBackup(database=folder / "a.db", to=folder / "copies")),
    FileAction("sqlite_checkpoint", lambda folder: SqliteCheckpoint(database=folder / "a.db")),
    FileAction("database_vacuum", lambda folder: DatabaseVacuum(sqlite=folder / "a.db")),
    FileAction("git_slot_isolate", lambda folder: GitSlotIsolate(workspaces=folder, repo="app", slot="slot1")),
    FileAction("lock_cleanup", lambda folder: LockCleanup(workspaces=folder)),
    FileAction("restore_backup", _restore),
]
