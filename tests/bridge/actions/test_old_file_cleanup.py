"""`old_file_cleanup` and `temp_file_cleanup`: the old files inside the allowed folder, and nothing else, ever."""

import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from bridge.actions.base import Allow, StepError, StepRefusedError, StepTimeoutError
from bridge.actions.host.sweep import Bounds, sweep
from bridge.actions.old_file_cleanup import OldFileCleanup
from bridge.actions.temp_file_cleanup import TempFileCleanup
from tests.bridge.actions.conftest import MakeContext

DAY = 86_400


def put(file: Path, days: float = 30, size: int = 10) -> Path:
    """Write a file that was last changed so many days ago."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(b"x" * size)
    then = time.time() - days * DAY
    os.utime(file, (then, then))
    return file


def below(folder: Path) -> set[str]:
    """Name all files below a folder."""
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file() or file.is_symlink()}


def test_old_files_go_and_the_rest_stays(home: Path, make_context: MakeContext) -> None:
    root = home / "logs"
    for name in ("old.log", "deep/er/old.log", "-rf", "new\nline.log", "日本語.log", "a b.log", "$(id).log"):
        put(root / name)
    put(root / "young.log", days=6.9)
    put(home / "neighbour" / "old.log")
    context = make_context(Allow(roots=(root,)))
    said = OldFileCleanup(directories=(root,), days=7).run(context)
    assert said.startswith("deleted 7 files")
    assert below(root) == {"young.log"}
    assert below(home / "neighbour") == {"old.log"}
    assert (root / "deep" / "er").is_dir()
    assert len(context.output.text().splitlines()) == 7


def test_patterns_and_depth(home: Path, make_context: MakeContext) -> None:
    for name in ("a.csv", "b.txt", "deep/c.csv"):
        put(home / "up" / name)
    context = make_context(Allow(roots=(home / "up",)))
    OldFileCleanup(directories=(home / "up",), days=7, patterns=("*.csv",), recursive=False).run(context)
    assert below(home / "up") == {"b.txt", "deep/c.csv"}


def test_the_oldest_go_first_and_no_more_than_allowed(home: Path, make_context: MakeContext) -> None:
    for days in (10, 40, 20, 30):
        put(home / "up" / f"{days}.csv", days=days)
    action = OldFileCleanup(directories=(home / "up",), days=7, max_delete={"files": 2})
    context = make_context(Allow(roots=(home / "up",)))
    assert action.plan(context).startswith("delete up to 2 files")
    assert len(below(home / "up")) == 4
    action.run(context)
    assert below(home / "up") == {"10.csv", "20.csv"}


def test_no_more_bytes_than_allowed(home: Path, make_context: MakeContext) -> None:
    for days in range(10, 20):
        put(home / "up" / f"{days}", days=days, size=8192)
    action = OldFileCleanup(directories=(home / "up",), days=7, max_delete={"size": "20KiB"})
    action.run(make_context(Allow(roots=(home / "up",))))
    assert len(below(home / "up")) == 7


@pytest.mark.parametrize(("until", "left"), [("0%", 3), ("99.99%", 0)])
def test_it_stops_when_enough_is_free(until: str, left: int, home: Path, make_context: MakeContext) -> None:
    put(home / "others", days=0, size=16 * 1024 * 1024)  # so that 99.99 % are not free on an empty tmpfs either
    for days in (10, 20, 30):
        put(home / "up" / f"{days}", days=days)
    OldFileCleanup(directories=(home / "up",), days=7, until_free=until).run(make_context(Allow(roots=(home / "up",))))
    assert len(below(home / "up")) == left


@pytest.mark.parametrize(
    "keys",
    [
        {"directories": [], "days": 7},
        {"directories": ["/var/log/itsm"], "days": 6},
        {"directories": ["/var/log/itsm"]},
        {"directories": ["logs"], "days": 7},
        {"directories": ["/var/log/itsm/../../../etc"], "days": 7},
        {"directories": ["/var/log/it\nsm"], "days": 7},
        {"directories": ["/var/log/it\0sm"], "days": 7},
        {"directories": ["/" + "x" * 65536], "days": 7},
        {"directories": ["/var/log/itsm"], "days": 7, "patterns": ["../*"]},
        {"directories": ["/var/log/itsm"], "days": 7, "patterns": []},
        {"directories": ["/var/log/itsm"], "days": 7, "until_free": "much"},
    ],
)
def test_wrong_keys(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        OldFileCleanup.model_validate(keys)


@pytest.mark.parametrize("directory", ["/var/log", "/var/log/itsm2", "/var/log/itsm/../itsm2", "/", "/etc"])
def test_folders_that_no_root_holds_are_refused_at_load(directory: str) -> None:
    action = OldFileCleanup.model_construct(directories=(Path(directory),), days=7)
    assert [field for field, _ in action.refusals(Allow(roots=(Path("/var/log/itsm"),)))] == ["directories"]


@pytest.mark.parametrize("root", ["/", "/etc", "/usr", "/var", "relative"])
def test_roots_that_cannot_be(root: str) -> None:
    action = OldFileCleanup.model_construct(directories=(Path(root) / "x",), days=7)
    assert list(action.refusals(Allow(roots=(Path(root),))))


def test_symlinks_lead_nowhere(home: Path, make_context: MakeContext) -> None:
    root = home / "root"
    outside = put(home / "outside" / "precious")
    put(root / "old")
    (root / "folder").symlink_to(outside.parent)
    (root / "file").symlink_to(outside)
    OldFileCleanup(directories=(root,), days=7).run(make_context(Allow(roots=(root,))))
    assert below(home / "outside") == {"precious"}
    assert (root / "file").is_symlink()
    assert not (root / "old").exists()


@pytest.mark.parametrize("where", ["root", "above", "inside"])
def test_a_symlink_on_the_way_is_refused(where: str, home: Path, make_context: MakeContext) -> None:
    real = put(home / "real" / "inner" / "old").parent
    (home / "link").symlink_to(home / "real")
    (home / "real" / "way").symlink_to(real)
    root, directory = {
        "root": (home / "link", home / "link"),
        "above": (home / "link" / "inner", home / "link" / "inner"),
        "inside": (home / "real", home / "real" / "way"),
    }[where]
    with pytest.raises(StepRefusedError, match="is a symlink; name the real folder"):
        OldFileCleanup(directories=(directory,), days=7).run(make_context(Allow(roots=(root,))))
    assert below(real) == {"old"}


def test_folders_switched_for_symlinks_meanwhile(home: Path, make_context: MakeContext) -> None:
    """Somebody switches a folder for a symlink to another one, as fast as they can, while files are deleted."""
    root, outside = home / "root", home / "outside"
    for number in range(400):
        put(root / "sub" / f"{number}")
        put(outside / f"{number}")
    done = threading.Event()

    def switch() -> None:
        while not done.is_set():
            (root / "sub").rename(root / "aside")
            (root / "sub").symlink_to(outside)
            (root / "sub").unlink()
            (root / "aside").rename(root / "sub")

    attacker = threading.Thread(target=switch)
    attacker.start()
    try:
        for _ in range(3):
            OldFileCleanup(directories=(root,), days=7, patterns=("[0-9]*",)).run(make_context(Allow(roots=(root,))))
    except StepError:
        pass  # nothing could be deleted: the attacker won time, and nothing else
    finally:
        done.set()
        attacker.join()
    assert len(below(outside)) == 400


def test_a_folder_switched_between_look_and_deletion(home: Path, make_context: MakeContext) -> None:
    """Hard links to the same files lie behind the symlink, so that nothing but the way to them differs."""
    root, outside = home / "root", home / "outside"
    file = put(root / "sub" / "old")
    outside.mkdir()
    (outside / "old").hardlink_to(file)
    context = make_context(Allow(roots=(root,)))
    found = OldFileCleanup(directories=(root,), days=7)._oldest(context)
    (root / "sub").rename(root / "aside")
    (root / "sub").symlink_to(outside)
    done = sweep(found, Bounds(10, 2**40), context)
    assert (done.files, done.failed) == (0, 1)
    assert below(outside) == {"old"}
    assert "is a symlink" in context.output.text()


MOUNT = """
import pathlib, subprocess, sys, threading, time
from bridge.actions.base import Allow, StepContext, StepRefusedError
from bridge.actions.host.sweep import Bounds, sweep
from bridge.actions.old_file_cleanup import OldFileCleanup
home = pathlib.Path(sys.argv[1])
subprocess.run(["mount", "--bind", home / "outside", home / "root" / "mounted"], check=True)
def context():
    return StepContext({}, "t", "h", Allow(roots=(home / "root",)), home, time.monotonic() + 20, threading.Event())
first = context()
print(OldFileCleanup(directories=(home / "root",), days=7).run(first), first.output.text())
try:
    OldFileCleanup(directories=(home / "root" / "mounted",), days=7).run(context())
except StepRefusedError as refused:
    print(refused)
"""


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_mount_point_inside_the_root_is_not_entered(home: Path) -> None:
    put(home / "outside" / "precious")
    put(home / "root" / "old")
    (home / "root" / "mounted").mkdir()
    said = subprocess.run(
        ["unshare", "-m", sys.executable, "-c", MOUNT, str(home)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert said.returncode == 0, said.stderr
    assert "deleted 1 files" in said.stdout
    assert said.stdout.count("is a mount point inside the allowed root") == 2
    assert below(home / "outside") == {"precious"}


def test_a_file_changed_since_it_was_seen_stays(home: Path, make_context: MakeContext) -> None:
    files = [put(home / "up" / f"{number}", days=20 - number) for number in range(3)]
    context = make_context(Allow(roots=(home / "up",)))
    action = OldFileCleanup(directories=(home / "up",), days=7)
    found = action._oldest(context)
    files[1].unlink()
    put(files[1], days=0)
    done = sweep(found, Bounds(10, 2**40), context)
    assert (done.files, done.failed) == (2, 1)
    assert "changed since it was seen" in context.output.text()


def test_its_time_is_its_time(home: Path, make_context: MakeContext) -> None:
    put(home / "up" / "old")
    with pytest.raises(StepTimeoutError):
        OldFileCleanup(directories=(home / "up",), days=7).run(make_context(Allow(roots=(home / "up",)), seconds=-1))
    assert below(home / "up") == {"old"}


@pytest.mark.parametrize("when", ["missing", "a file"])
def test_what_cannot_be_opened_is_said(when: str, home: Path, make_context: MakeContext) -> None:
    if when == "a file":
        put(home / "up")
    with pytest.raises(StepError, match="cannot be opened"):
        OldFileCleanup(directories=(home / "up",), days=7).run(make_context(Allow(roots=(home / "up",))))


ages = st.floats(min_value=0, max_value=60)
names = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=20)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    files=st.dictionaries(names.filter(lambda name: name not in (".", "..")), ages, max_size=8), days=st.integers(7, 30)
)
def test_exactly_the_old_ones_go(files: dict[str, float], days: int, home: Path, make_context: MakeContext) -> None:
    root = home / os.urandom(4).hex()
    root.mkdir()
    for name, age in files.items():
        if abs(age - days) > 0.01:
            put(root / name, days=age)
    wanted = {name for name in below(root) if files[name] < days}
    OldFileCleanup(directories=(root,), days=days).run(make_context(Allow(roots=(root,))))
    assert below(root) == wanted


def test_temporary_files_by_name_and_age(home: Path, make_context: MakeContext) -> None:
    tmp = home / "tmp"
    for name in ("a.tmp", "flask_1", "keep.txt", "deep/b.tmp"):
        put(tmp / name, days=2)
    put(tmp / "new.tmp", days=0.5)
    context = make_context(Allow(roots=(tmp,)))
    TempFileCleanup(directories=(tmp,), patterns=("*.tmp", "flask_*")).run(context)
    assert below(tmp) == {"keep.txt", "deep/b.tmp", "new.tmp"}


def test_a_temporary_file_in_use_is_not_old_enough() -> None:
    with pytest.raises(ValidationError):
        TempFileCleanup(directories=(Path("/tmp/x"),), patterns=("*",), older_than="59m")
