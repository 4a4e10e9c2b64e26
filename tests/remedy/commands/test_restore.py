"""`remedy restore` against a real bridge: what a fix changed comes back, on record, and can come back again."""

import json
import sys
from collections.abc import Iterator

import pytest

from tests.remedy.commands.test_operators import Running, free_port, remedy, served

CONFIG = """
database: sqlite:///{folder}/data/ledger.db
web: {{listen: 127.0.0.1:{port}}}
allow: {{roots: ['{folder}/app']}}
remediations:
  - name: mend
    match: alertname="Broken"
    steps: [backup_and_fix_json: {{directories: ['{folder}/app']}}]
    verify: none
  - name: rest
    match: alertname="Rest"
    steps: [wait: {{duration: 10ms}}]
    verify: none
"""


@pytest.fixture(scope="module")
def bridge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("restore").resolve()
    (folder / "app").mkdir()
    port = free_port()
    (folder / "remediation.yml").write_text(CONFIG.format(folder=folder, port=port))
    argv = [sys.executable, "-m", "remedy", "bridge", "--config", "remediation.yml"]
    with served(argv, folder, port):
        yield Running(folder, port)


def run_for(bridge: Running, alertname: str) -> int:
    """Let an alert fire, and return the number of the run that it gets, when that has ended."""
    bridge.fires(alertname)
    row = bridge.await_row(
        "decisions", lambda d: (d["episode"]["labels"].get("alertname"), d["decision"]), alertname, "run"
    )
    return bridge.ended(row["run_id"])["id"]


def test_a_fix_is_undone_and_the_undoing_too(bridge: Running) -> None:
    file = bridge.folder / "app" / "tickets.json"
    damaged, mended = '{"受注": [1, 2,]}', '{"受注": [1, 2]}'
    file.write_text(damaged)
    run = run_for(bridge, "Broken")
    assert file.read_text() == mended
    listed = json.loads(remedy("restore", str(run), "--list", "--json", folder=bridge.folder))
    assert [(entry["path"], entry["kind"], entry["size"]) for entry in listed] == [
        (str(file), "file", len(damaged.encode()))
    ]
    assert "put back 1 things" in remedy("restore", str(run), "--reason", "too early", folder=bridge.folder)
    assert file.read_text() == damaged
    undone = json.loads(remedy("history", "--json", folder=bridge.folder))["runs"][0]
    assert (undone["remediation"], undone["by_hand"] is not None) == ("restore", True)
    assert "put back" in remedy("restore", str(undone["id"]), folder=bridge.folder)
    assert file.read_text() == mended


def test_what_cannot_be_restored_says_why(bridge: Running) -> None:
    run = run_for(bridge, "Rest")
    assert "nothing was kept of run" in remedy("restore", str(run), folder=bridge.folder, check=1)
    assert "there is no run 999" in remedy("restore", "999", folder=bridge.folder, check=1)
    remedy("restore", "0", folder=bridge.folder, check=2)
