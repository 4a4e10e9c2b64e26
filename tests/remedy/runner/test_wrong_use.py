"""`remedy run` and `remedy import`, used wrongly: one line which says where and what, exit 2, and nothing is made."""

import sys
from pathlib import Path

import pytest

from remedy.cli import main
from remedy.runner.log import DaemonLog

JSON = '{"error_patterns": [], "log_paths": ["logs/app.log"]}'
WRONG = {
    "no_file_here": (["run"], "error_patterns.json"),
    "no_such_file": (["run", "--once", "--config", "nope.json"], "nope.json: cannot be read"),
    "no_such_yaml": (["run", "--config", "nope.yml"], "nope.yml: cannot be read"),
    "a_folder": (["run", "--config", "scripts"], "is a directory"),
    "twice": (["run", "--config", "scripts/error_patterns.json", "--config", "scripts/error_patterns.json"], "both"),
    "both_ways": (["run", "--once", "--continuous"], "--once is one cycle"),
    "no_cycles": (["run", "--loop-count", "0"], "--loop-count"),
    "no_iterations": (["run", "--iterations", "0"], "--iterations"),
    "no_such_base": (["run", "--config", "scripts/error_patterns.json", "--base-dir", "nowhere"], "nowhere"),
    "a_log_that_is_a_folder": (["run", "--config", "scripts/error_patterns.json", "--log-file", "."], "directory"),
    "import_of_nothing": (["import", "nope.json"], "nope.json: cannot be read"),
    "import_of_a_folder": (["import", "."], "is a directory"),
    "import_beside_nothing": (["import", "scripts/error_patterns.json", "--allow", "no.yml"], "no.yml: cannot be read"),
    "import_to_nowhere": (["import", "scripts/error_patterns.json", "--output", "/proc/nope"], "cannot be written"),
    "import_twice": (["import", "scripts/error_patterns.json", "--output", "there"], "--force writes over it"),
}
BESIDE = {
    "remediations: 5": "remediation.yml:1: remediations: expected a list",
    "defaults: 3": "remediation.yml:1: defaults: expected keys and values",
    "allow: {unit: [x]}": "remediation.yml:1: allow: unknown key 'unit'",
    "just a text": "remediation.yml:1: expected keys and values such as allow:",
    "prometheus: {url: 'http://x'}": "works in Prometheus' place",
}


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an application's folder, with its file in scripts/ and something imported before in there/."""
    for name in ("scripts", "there"):
        (tmp_path / name).mkdir()
    (tmp_path / "scripts" / "error_patterns.json").write_text(JSON)
    (tmp_path / "scripts" / "error_patterns.json").chmod(0o600)
    (tmp_path / "there" / "exporter.yml").touch()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def called(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["remedy", *words])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def listed(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*")}


@pytest.mark.parametrize(("words", "said"), WRONG.values(), ids=WRONG)
def test_it_is_one_line_and_exit_2(words, said, place, monkeypatch, capsys):
    before = listed(place)
    assert called(monkeypatch, *words) == 2
    told = capsys.readouterr().err
    assert (len(told.splitlines()), said in told) == (1, True), told
    assert listed(place) == before


@pytest.mark.parametrize(("text", "said"), BESIDE.items())
def test_what_is_wrong_beside_the_file_is_said_with_its_line(text, said, place, monkeypatch, capsys):
    (place / "scripts" / "remediation.yml").write_text(text + "\n")
    (place / "scripts" / "remediation.yml").chmod(0o600)
    assert called(monkeypatch, "run", "--config", "scripts/error_patterns.json") == 2
    told = capsys.readouterr().err
    assert (len(told.splitlines()), said in told) == (1, True), told


def test_a_log_that_cannot_be_written_is_said_once_and_its_lines_are_shown(capsys):
    log = DaemonLog(Path("/proc/nowhere/auto_fix.log"))
    log.say("one")
    log.say("two")
    told = capsys.readouterr().err.splitlines()
    assert told[0].startswith("/proc/nowhere/auto_fix.log cannot be written: ")
    assert [line.rpartition(" - ")[2] for line in told[1:]] == ["one", "two"]
