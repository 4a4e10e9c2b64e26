"""Attacks on every action that changes files: nothing outside the allowed root is touched, and the record says why."""

import ctypes
import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.base import StepError, StepRefusedError
from bridge.actions.old_file_cleanup import OldFileCleanup
from bridge.policy.templates import render_fields
from tests.bridge.actions.backups.test_backup_and_restore import picture
from tests.bridge.actions.file_actions import ACTIONS, FileAction, context_for, fill, keep_for_restore, work

VALUES = {
    "parent": "../../outside",
    "newline": "in\n/etc",
    "nul": "in\0",
    "64 KiB": "x" * 65536,
    "turned": "in\u202etxt.exe",
    "zero width": "in\u200f",
    "option": "-rf",
    "shell": "$(touch outside)",
    "backticks": "`id`",
    "quotes": "'\"; rm -rf /",
    "glob": "*",
    "template": "{{ labels }}",
}
FOLDERS = [each for each in ACTIONS if each.name != "restore_backup"]
_EXCHANGE = 2


def world(home: Path) -> tuple[Path, Path]:
    """Make a root with a folder `in` to work on, and the same outside of it."""
    root, outside = home / "root", home / "outside"
    fill(root / "in")
    fill(outside)
    return root, outside


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("each", FOLDERS, ids=lambda each: each.name)
def test_whatever_a_label_says(each: FileAction, value: str, home: Path) -> None:
    root, outside = world(home)
    before = picture(outside), picture(root / "in")
    try:
        each.make(root / VALUES[value])
    except (ValidationError, ValueError):
        assert (picture(outside), picture(root / "in")) == before
        return
    assert value in ("option", "shell", "backticks", "quotes", "glob", "template")
    context = context_for(root, home / "backups")
    with suppress(StepError):
        work(each.make(root / VALUES[value]), context)
    assert (picture(outside), picture(root / "in")) == before


@pytest.mark.parametrize("value", ["", ".", "./", "/", "//", "a/.", "a//", "./.", "a/../.."])
def test_a_label_never_makes_the_folder_above_of_the_one_that_is_meant(value: str) -> None:
    with pytest.raises(ValueError, match=r"has no label|must not hold|looks like"):
        OldFileCleanup.model_validate(
            render_fields({"directories": ["/srv/cache/{{ labels.tenant }}"], "days": 7}, {"tenant": value})
        )


@pytest.mark.parametrize("each", FOLDERS, ids=lambda each: each.name)
def test_a_name_that_only_looks_dangerous_is_a_name(each: FileAction, home: Path) -> None:
    """Quotes, `$()` and a leading `-` are worked on like any other name."""
    root, outside = home / "root", home / "outside"
    folder = root / "-rf '\"$(id)` *"
    fill(folder)
    fill(outside)
    before, done = picture(outside), picture(folder)
    work(each.make(folder), context_for(root, home / "backups"))
    assert picture(outside) == before
    assert picture(folder) != done or each.name == "sqlite_checkpoint"


@pytest.mark.parametrize("each", ACTIONS, ids=lambda each: each.name)
def test_a_symlink_in_the_way(each: FileAction, home: Path) -> None:
    root, outside = world(home)
    keep_for_restore(root / "in", root, home / "backups")
    before = picture(outside)
    (root / "in").rename(root / "aside")
    (root / "in").symlink_to(outside)
    with pytest.raises(StepError, match=r"symlink|could not be put back"):
        work(each.make(root / "in"), context_for(root, home / "backups"))
    assert picture(outside) == before


@pytest.mark.parametrize("each", ACTIONS, ids=lambda each: each.name)
def test_a_root_that_is_a_symlink(each: FileAction, home: Path) -> None:
    root, outside = world(home)
    keep_for_restore(root / "in", root, home / "backups")
    before = picture(outside)
    root.rename(home / "aside")
    (outside / "in").symlink_to(".")
    root.symlink_to(outside)
    before = picture(outside)
    with pytest.raises(StepError, match=r"symlink|could not be put back"):
        work(each.make(root / "in"), context_for(root, home / "backups"))
    assert picture(outside) == before


class Switching:
    """Lets a folder and a symlink that leads outside change places without a pause."""

    def __init__(self, folder: Path, outside: Path) -> None:
        self._folder, self._link = os.fsencode(folder), os.fsencode(folder.with_name("link"))
        folder.with_name("link").symlink_to(outside)
        self._stop, self.times = threading.Event(), 0
        self._thread = threading.Thread(target=self._switch, daemon=True)

    def _switch(self) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        while not self._stop.is_set() or self.times % 2:
            assert libc.renameat2(-100, self._folder, -100, self._link, _EXCHANGE) == 0
            self.times += 1

    def __enter__(self) -> "Switching":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()


JOURNAL = "/a.db-journal"
"""SQLite itself makes it, by its name, however its database was opened: docs/security.md says so."""


@pytest.mark.parametrize("each", ACTIONS, ids=lambda each: each.name)
def test_a_folder_that_is_switched_for_a_symlink_all_the_time(each: FileAction, home: Path) -> None:
    root, outside = world(home)
    keep_for_restore(root / "in", root, home / "backups")
    before = picture(outside)
    told = set()
    with Switching(root / "in", outside) as switching:
        for run in range(20, 600):
            if run > 50 and told and switching.times > 40:
                break
            try:
                work(each.make(root / "in"), context_for(root, home / "backups", run))
            except StepError as error:
                told.add(str(error))
    assert told
    after = {path: what for path, what in picture(outside).items() if path in before or not path.endswith(JOURNAL)}
    assert after == before


MOUNTED = """
mount --bind "$1/outside" "$1/root/in" || exit 9
exec "$2" -m tests.bridge.actions.test_attacks "$1"
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="needs a mount of its own")
def test_a_mount_point_inside_the_root(home: Path) -> None:
    root, outside = world(home)
    keep_for_restore(root / "in", root, home / "backups")
    before = picture(outside)
    argv = ["unshare", "--mount", "sh", "-c", MOUNTED, "sh", str(home), sys.executable]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr
    told = dict(line.split(": ", 1) for line in done.stdout.splitlines())
    assert set(told) == {each.name for each in ACTIONS}
    assert all("mount point" in why or "could not be put back" in why for why in told.values()), told
    assert picture(outside) == before


def on_a_mount(home: Path) -> None:
    """Try every action on a folder that is a mount point now, and say what became of it."""
    for run, each in enumerate(ACTIONS, 20):
        try:
            said = work(each.make(home / "root" / "in"), context_for(home / "root", home / "backups", run))
        except StepError as error:
            said = str(error)
        print(f"{each.name}: {said}")


@pytest.mark.parametrize("each", FOLDERS, ids=lambda each: each.name)
def test_no_roots_means_nothing_not_everything(each: FileAction, home: Path) -> None:
    root, _ = world(home)
    before = picture(root)
    context = context_for(root, home / "backups")
    bare = type(context)(**{**vars(context), "allow": type(context.allow)()})
    with pytest.raises(StepRefusedError, match=r"is in none of allow\.roots"):
        work(each.make(root / "in"), bare)
    assert picture(root) == before


if __name__ == "__main__":
    on_a_mount(Path(sys.argv[1]))
