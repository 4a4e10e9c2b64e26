"""Kinds that are files, libraries that only some need, and who may read or write a file."""

import sys
import tempfile
import types
from collections.abc import Iterator
from pathlib import Path

import pytest

from remedy.config import kinds
from remedy.config.extras import MissingExtra, require
from remedy.config.permissions import exposed, writable


class Fruit:
    """What the kinds of this test are."""


@pytest.fixture
def fruits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[types.ModuleType]:
    """A package with good and bad files; nothing of it stays imported."""
    folder = tmp_path / "fruits"
    folder.mkdir()
    one = "from tests.remedy.test_kinds import Fruit\nclass {0}(Fruit): pass\n"
    files = {
        "__init__": "",
        "base": "raise RuntimeError('base is no kind')",
        "_shared": "raise RuntimeError('this is no kind')",
        "apple": one.format("Apple") + "class _Peel(Fruit): pass\n",
        "pear": "from fruits.apple import Apple\n" + one.format("Pear"),
        "rotten": "raise RuntimeError('only imported when it is used')",
        "nothing": "",
        "two": one.format("First") + one.format("Second"),
    }
    for name, text in files.items():
        (folder / f"{name}.py").write_text(text)
    monkeypatch.syspath_prepend(str(tmp_path))
    import fruits as package

    yield package
    for name in [name for name in sys.modules if name == "fruits" or name.startswith("fruits.")]:
        del sys.modules[name]


def test_each_file_is_a_kind_and_is_imported_when_it_is_used(fruits: types.ModuleType) -> None:
    assert kinds.names(fruits) == ["apple", "nothing", "pear", "rotten", "two"]
    assert kinds.load(fruits, "apple", Fruit, "fruit").__name__ == "Apple"
    assert kinds.load(fruits, "pear", Fruit, "fruit").__name__ == "Pear", "what it imports does not count"


@pytest.mark.parametrize("kind", ["aple", "base", "_shared", "../apple", "", "apple.x"])
def test_an_unknown_kind_is_told_with_a_suggestion(fruits: types.ModuleType, kind: str) -> None:
    with pytest.raises(ValueError, match=r"^unknown fruit '.*' \((did you mean 'apple'\?|known: apple, nothing)"):
        kinds.load(fruits, kind, Fruit, "fruit")


@pytest.mark.parametrize(("kind", "count"), [("nothing", 0), ("two", 2)])
def test_a_file_holds_exactly_one(fruits: types.ModuleType, kind: str, count: int) -> None:
    with pytest.raises(TypeError, match=rf"fruits\.{kind} must hold exactly one Fruit, not {count}"):
        kinds.load(fruits, kind, Fruit, "fruit")


def test_a_missing_library_is_named_with_what_installs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert require("json", "fast") is sys.modules["json"]
    with pytest.raises(MissingExtra, match=r"'no_such_library'.*pip install 'remediation-bridge\[redis\]'"):
        require("no_such_library", "redis")
    (tmp_path / "half_there.py").write_text("import no_such_library")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ModuleNotFoundError, match="no_such_library"):
        require("half_there", "redis")


@pytest.mark.parametrize(
    ("folder_mode", "file_mode", "readable", "loose"),
    [
        (0o755, 0o600, False, ""),
        (0o755, 0o640, False, ""),
        (0o755, 0o644, True, ""),
        (0o750, 0o644, False, ""),
        (0o755, 0o660, False, "g-w {file}"),
        (0o755, 0o666, True, "go-w {file}"),
        (0o775, 0o644, True, "g-w {folder}"),
        (0o777, 0o640, False, "go-w {folder}"),
        (0o1777, 0o644, True, ""),
    ],
)
def test_who_else_may_read_or_write(folder_mode: int, file_mode: int, readable: bool, loose: str) -> None:
    with tempfile.TemporaryDirectory() as above:
        Path(above).chmod(0o755)
        folder = Path(above).resolve() / "etc"
        file = folder / "token"
        folder.mkdir()
        file.touch()
        folder.chmod(folder_mode)
        file.chmod(file_mode)
        link = Path(above) / "link"
        link.symlink_to(file)
        for path in (file, link):
            assert exposed(path) == (f"every user of this machine can read it: chmod o-r {file}" if readable else None)
            expected = f"others may write it: chmod {loose.format(file=file, folder=folder)}" if loose else None
            assert writable(path) == expected
