"""`create_missing_dirs`, `fix_permissions`, `check_permissions`: inside the root, through descriptors, no further."""

import os
import stat
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.backups.manifest import Manifest
from bridge.actions.base import Allow, StepError, StepRefusedError
from bridge.actions.check_permissions import CheckPermissions
from bridge.actions.create_missing_dirs import CreateMissingDirs
from bridge.actions.fix_permissions import FixPermissions
from tests.bridge.actions.conftest import MakeContext, back_up_and_run

root_only = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


@pytest.fixture
def root(home: Path) -> Path:
    folder = home / "root"
    folder.mkdir(mode=0o755)
    return folder


def mode(path: Path) -> int:
    return stat.S_IMODE(path.lstat().st_mode)


def test_missing_folders_are_made(root: Path, make_context: MakeContext) -> None:
    (root / "there").mkdir(mode=0o700)
    wanted = (root / "a" / "b" / "c", root / "there", root / "-rf $(id) 日本")
    action = CreateMissingDirs(directories=wanted, mode="0750")
    context = make_context(Allow(roots=(root,)))
    assert "there" not in action.plan(context)
    assert action.run(context) == "made 4 folders"
    assert [mode(path) for path in (root / "a", root / "a/b/c", root / "there")] == [0o750, 0o750, 0o700]
    assert action.run(context) == "made 0 folders"


@root_only
def test_they_are_given_to_their_owner(root: Path, make_context: MakeContext) -> None:
    CreateMissingDirs(directories=(root / "a",), owner="nobody").run(make_context(Allow(roots=(root,))))
    assert (root / "a").stat().st_uid == 65534


@pytest.mark.parametrize("kind", ["symlink", "file"])
def test_what_is_in_the_way(kind: str, root: Path, home: Path, make_context: MakeContext) -> None:
    (home / "outside").mkdir()
    if kind == "symlink":
        (root / "way").symlink_to(home / "outside")
    else:
        (root / "way").write_text("")
    with pytest.raises(StepError, match="symlink" if kind == "symlink" else "cannot be opened"):
        CreateMissingDirs(directories=(root / "way" / "in",)).run(make_context(Allow(roots=(root,))))
    assert list((home / "outside").iterdir()) == []


@pytest.mark.parametrize("text", ["0777", "0666", "4755", "2755", "0002", "9", "rwx", 755, 0o755, None, "0755\n"])
def test_modes_that_are_no_fix(text: object) -> None:
    with pytest.raises(ValidationError):
        FixPermissions.model_validate({"paths": ["/srv/x"], "mode": text})


def test_files_and_folders_get_their_modes(root: Path, make_context: MakeContext) -> None:
    for path in (root / "up" / "in", root / "up" / "other"):
        path.mkdir(parents=True, mode=0o777)
    (root / "up" / "in" / "file").write_text("x")
    (root / "up" / "in" / "file").chmod(0o666)
    (root / "beside").write_text("x")
    (root / "beside").chmod(0o666)
    context = make_context(Allow(roots=(root,)))
    keys = {"paths": (root / "up",), "mode": "0640", "dir_mode": "0750", "recursive": True}
    with pytest.raises(StepError, match="4 of 4"):
        CheckPermissions(**keys).run(context)
    assert back_up_and_run(FixPermissions(**keys), context) == "set 4 files and folders"
    assert [mode(path) for path in (root / "up", root / "up/in", root / "up/in/file")] == [0o750, 0o750, 0o640]
    assert mode(root / "beside") == 0o666
    assert CheckPermissions(**keys).run(context) == "all 4 files and folders are as wanted"
    assert {entry.path: entry.mode for entry in Manifest(context.backups).read()}[str(root / "up/in/file")] == 0o666
    assert FixPermissions(**keys).run(context) == "set 0 files and folders"


@root_only
def test_owner_and_group(root: Path, make_context: MakeContext) -> None:
    (root / "file").write_text("x")
    context = make_context(Allow(roots=(root,)))
    FixPermissions(paths=(root / "file",), owner="nobody", group="nogroup").run(context)
    assert ((root / "file").stat().st_uid, (root / "file").stat().st_gid) == (65534, 65534)


def test_what_lies_outside_stays(root: Path, home: Path, make_context: MakeContext) -> None:
    outside = home / "outside"
    outside.mkdir(mode=0o700)
    (outside / "precious").write_text("x")
    (outside / "precious").chmod(0o600)
    (root / "up").mkdir()
    (root / "up" / "link").symlink_to(outside)
    (root / "up" / "file").symlink_to(outside / "precious")
    (root / "up" / "hard").hardlink_to(outside / "precious")
    context = make_context(Allow(roots=(root,)))
    with pytest.raises(StepError, match="1 files and folders could not be set"):
        FixPermissions(paths=(root / "up",), mode="0644", dir_mode="0755", recursive=True).run(context)
    assert (mode(outside), mode(outside / "precious")) == (0o700, 0o600)
    assert "hard link" in context.output.text()
    with pytest.raises(StepRefusedError, match="symlink"):
        FixPermissions(paths=(root / "up" / "file",), mode="0644").run(context)


@pytest.mark.parametrize("path", ["ROOT", "/etc/passwd", "ROOT/../outside"])
def test_what_is_not_named_is_refused(path: str, root: Path) -> None:
    action = FixPermissions.model_construct(
        paths=(Path(path.replace("ROOT", str(root))),), owner=None, group=None, mode="0644", dir_mode=None
    )
    assert [field for field, _ in action.refusals(Allow(roots=(root,)))] == ["paths"]


def test_unknown_users_are_seen_at_load(root: Path) -> None:
    action = FixPermissions(paths=(root / "x",), owner="nosuchuser", group="nosuchgroup")
    assert [field for field, _ in action.refusals(Allow(roots=(root,)))] == ["owner", "group"]


def test_nothing_wanted_is_wrong() -> None:
    with pytest.raises(ValidationError, match="must be given"):
        FixPermissions(paths=(Path("/srv/x"),))


def test_a_check_passes_over_what_is_neither_file_nor_folder(home: Path, make_context: MakeContext) -> None:
    root = home / "root"
    (root / "in").mkdir(parents=True)
    os.mkfifo(root / "in" / "pipe")
    (root / "in" / "file").write_text("")
    (root / "in" / "file").chmod(0o644)
    context = make_context(Allow(roots=(root,)))
    action = CheckPermissions(paths=(root / "in",), mode="0644", recursive=True)
    assert action.run(context) == "all 2 files and folders are as wanted"
    assert "pipe' is no file and no folder" in context.output.text()
