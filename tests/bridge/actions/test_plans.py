"""What a step would do is said by the same look as when it is done: it changes nothing, and refuses what is refused."""

from pathlib import Path

import pytest

from bridge.actions.base import StepError
from tests.bridge.actions.backups.test_backup_and_restore import picture
from tests.bridge.actions.file_actions import ACTIONS, FileAction, context_for, fill, keep_for_restore, work

PLANS = {
    "backup_and_fix_json": ("repair {in}/a.json, {in}/b.json", "nothing: every file is valid JSON"),
    "cache_clear": ("delete 2 files (8.0 KiB) in {in}/cache", "delete 0 files (0 bytes) in {in}/cache"),
    "create_missing_dirs": ("make {in}/new, {in}/new/er", "nothing: no folder is missing"),
    "fix_permissions": ("of 4 files and folders", "of 0 files and folders"),
    "log_rotate": ("rotate {in}/logs/app.log (8.7 KiB)", "nothing: no log has 1 bytes"),
    "log_rotate_copytruncate": ("rotate {in}/logs/app.log (8.7 KiB)", "nothing: no log has 1 bytes"),
    "old_file_cleanup": ("delete up to 2 files", "delete up to 0 files"),
    "temp_file_cleanup": ("delete 2 temporary files", "delete 0 temporary files"),
    "sqlite_backup": ("copy {in}/a.db (", "copy {in}/a.db ("),
    "sqlite_checkpoint": ("checkpoint {in}/a.db", "checkpoint {in}/a.db"),
    "database_vacuum": ("vacuum {in}/a.db (", "vacuum {in}/a.db ("),
    "git_slot_isolate": ("which is allocated now", "which is error now"),
    "lock_cleanup": ("the locks of workspace-app-slot9 (orphaned)", "nothing: no lock is old"),
    "restore_backup": ("put back what run 7 changed: {in}/a.db", "put back what run 7 changed: {in}/a.db"),
}


@pytest.mark.parametrize("each", ACTIONS, ids=lambda each: each.name)
def test_a_plan_tells_what_is_then_done_and_changes_nothing(each: FileAction, home: Path) -> None:
    root, folder = home / "root", home / "root" / "in"
    fill(folder)
    keep_for_restore(folder, root, home / "backups")
    before, context = picture(home), context_for(root, home / "backups")
    first, then = (text.replace("{in}", str(folder)) for text in PLANS[each.name])
    assert first in each.make(folder).plan(context)
    assert picture(home) == before
    work(each.make(folder), context)
    assert then in each.make(folder).plan(context)


@pytest.mark.parametrize(
    "each", [each for each in ACTIONS if each.name != "restore_backup"], ids=lambda each: each.name
)
def test_a_plan_refuses_what_is_refused(each: FileAction, home: Path) -> None:
    root = home / "root"
    fill(home / "outside")
    root.mkdir()
    (root / "in").symlink_to(home / "outside")
    with pytest.raises(StepError, match="is a symlink"):
        each.make(root / "in").plan(context_for(root, home / "backups"))
