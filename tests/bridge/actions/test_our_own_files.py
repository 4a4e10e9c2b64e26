"""No cleanup deletes the bridge's own ledger and backups, whatever folder it was told."""

import os
import time
from dataclasses import replace
from pathlib import Path

import pytest

from bridge.actions.base import Action, Allow, StepRefusedError
from bridge.actions.cache_clear import CacheClear
from bridge.actions.old_file_cleanup import OldFileCleanup
from bridge.actions.temp_file_cleanup import TempFileCleanup
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.durability.process import BridgeProcess, eventually

OURS = ("ledger.db", "ledger.db-wal", "ledger.db.reserve", "backups/7/copy")
CLEANUPS = {
    "cache_clear": lambda folder: CacheClear(directories=(folder,)),
    "old_file_cleanup": lambda folder: OldFileCleanup(directories=(folder,), days=7),
    "temp_file_cleanup": lambda folder: TempFileCleanup(directories=(folder,), patterns=("*",), recursive=True),
}


@pytest.mark.parametrize("cleanup", CLEANUPS)
def test_what_lies_beside_them_is_cleaned(home: Path, make_context: MakeContext, cleanup: str) -> None:
    then = time.time() - 30 * 86400
    for name in (*OURS, "state/other", "trash"):
        (home / name).parent.mkdir(parents=True, exist_ok=True)
        (home / name).write_text("x")
        os.utime(home / name, (then, then))
    action: Action = CLEANUPS[cleanup](home)
    context = make_context(Allow(roots=(home,)))
    action.run(replace(context, ours=(str(home / "ledger.db"), str(home / "backups"))))
    assert sorted(str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()) == sorted(OURS)
    action.run(context)
    assert not any(file.is_file() for file in home.rglob("*")), "it is nothing else that keeps them"


@pytest.mark.parametrize("cleanup", CLEANUPS)
def test_their_folder_itself_is_refused(home: Path, make_context: MakeContext, cleanup: str) -> None:
    (home / "backups" / "7").mkdir(parents=True)
    context = replace(make_context(Allow(roots=(home,))), ours=(str(home / "backups"),))
    for folder in (home / "backups", home / "backups" / "7"):
        with pytest.raises(StepRefusedError, match="the bridge's own"):
            CLEANUPS[cleanup](folder).run(context)


def test_a_bridge_that_is_told_to_empty_its_own_folder_keeps_its_record(home: Path) -> None:
    data = home / "data"
    data.mkdir()
    (data / "trash").write_text("x")
    configuration = f"""
allow: {{roots: [{data}]}}
remediations:
  - name: clean
    match: ['alertname="Down"']
    steps: [{{cache_clear: {{directories: [{data}]}}}}]
    verify: none
"""
    bridge = BridgeProcess(home, configuration, data=data)
    try:
        bridge.start()
        assert bridge.fire("web-1")
        eventually(lambda: bridge.rows("SELECT 1 FROM runs WHERE state = 'ended'"))
        assert [row["outcome"] for row in bridge.rows("SELECT outcome FROM steps")] == ["succeeded"]
        assert not (data / "trash").exists()
        bridge.kill()
        bridge.start()
        assert [row["state"] for row in bridge.rows("SELECT state FROM runs")] == ["ended"]
    finally:
        bridge.close()
