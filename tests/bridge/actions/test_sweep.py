"""What cleanups share: files and folders that others change meanwhile stop nothing."""

import shutil
from pathlib import Path

from bridge.actions.base import Allow
from bridge.actions.host.folders import Place
from bridge.actions.host.sweep import Bounds, Search, find, sweep
from tests.bridge.actions.conftest import MakeContext


def test_a_folder_that_vanishes_does_not_stop_the_others(home: Path, make_context: MakeContext) -> None:
    root = home / "root"
    for name in ("a", "b", "c"):
        (root / name).mkdir(parents=True)
        (root / name / "old").write_text("x")
    (root / "old").write_text("x")
    context = make_context(Allow(roots=(root,)))
    found = find(Place(root, ()), Search(("*",), -1, recursive=True), context)
    first = next(found)
    shutil.rmtree(root / "b")
    assert sorted(str(file) for file in (first, *found)) == [f"{root}/{name}" for name in ("a/old", "c/old", "old")]
    assert f"passed over: '{root}/b' cannot be opened" in context.output.text()


def test_a_file_that_somebody_else_deleted_is_no_failure(home: Path, make_context: MakeContext) -> None:
    root = home / "root"
    root.mkdir()
    (root / "old").write_text("x")
    context = make_context(Allow(roots=(root,)))
    found = list(find(Place(root, ()), Search(("*",), -1, recursive=True), context))
    (root / "old").unlink()
    assert str(sweep(found, Bounds(9, 9, 0.0), context)) == "deleted 0 files (0 bytes)"
    assert str(sweep(found, Bounds(9, 9), context)) == "deleted 0 files (0 bytes)"
    assert f"gone meanwhile: {root}/old" in context.output.text()
