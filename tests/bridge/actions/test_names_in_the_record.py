"""File names that are no UTF-8, or hold what turns and hides: the record tells them, and the run comes to its end."""

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.remedy.commands.test_operators import Running, free_port, served

CONFIG = """
database: sqlite:///{folder}/data/ledger.db
web: {{listen: 127.0.0.1:{port}}}
allow: {{roots: [{folder}/root]}}
defaults: {{max_retries: 0, on_step_failure: continue, backup: true}}
remediations:
  - name: planned
    match: alertname="Planned"
    mode: dry_run
    verify: none
    steps: &steps
      - log_rotate: {{directories: [{folder}/root/in], patterns: ["*.log*"], size: 1}}
      - backup_and_fix_json: {{directories: [{folder}/root/in]}}
      - create_missing_dirs: {{directories: [{folder}/root/in/file/x]}}
      - old_file_cleanup: {{directories: [{folder}/root/in], days: 7}}
      - cache_clear: {{directories: [{folder}/root/in]}}
  - {{name: done, match: 'alertname="Done"', verify: none, steps: *steps}}
"""
NAMES = [b"a\xff\xfe.log", "受注🚨　.log".encode(), b"two\nlines.log", "\u202etxt.log".encode(), b"b -rf .log"]


@pytest.fixture
def bridge(home: Path) -> Iterator[Running]:
    port, folder = free_port(), home / "root" / "in"
    folder.mkdir(parents=True)
    for name in NAMES:
        Path(os.fsdecode(bytes(folder) + b"/" + name)).write_text("x")
    (folder / "file").write_text("")
    (folder / os.fsdecode(NAMES[0] + b".json")).write_text("hello")
    (home / "remediation.yml").write_text(CONFIG.format(folder=home, port=port))
    with served([sys.executable, "-m", "remedy", "bridge", "--config", "remediation.yml"], home, port) as running:
        yield running


@pytest.mark.parametrize("name", ["Planned", "Done"])
def test_it_is_told_and_ends(name: str, bridge: Running) -> None:
    bridge.fires(name)
    decided = bridge.decided(alertname=name, decision="dry_run" if name == "Planned" else "run")
    run = bridge.ended(decided["run_id"])
    told = [step["reason"] for step in run["steps"]]
    assert len(told) == 5
    assert run["outcome"] == ("dry_run" if name == "Planned" else "failed"), told
    assert not [line for line in told if "\n" in line or "\u202e" in line or "\udcff" in line], told
    if name == "Planned":
        assert all(
            part in told[0]
            for part in (r"a\xff\xfe.log", "受注🚨　.log", r"two\nlines.log", r"\u202etxt.log", "-rf .log")
        )
    else:
        assert r"a\xff\xfe.log.json: cannot be repaired" in told[1]
