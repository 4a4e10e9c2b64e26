"""The systemd units: systemd itself reads them, and they promise what the documentation says."""

import configparser
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
FOLDER = ROOT / "deploy" / "systemd"
UNITS = sorted(FOLDER.glob("*.service"))
REMEDY = ROOT / ".venv" / "bin" / "remedy"

needs_analyze = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd-analyze is not installed")


def service(unit: Path) -> configparser.SectionProxy:
    parser = configparser.RawConfigParser(strict=True)
    parser.optionxform = str
    parser.read_string(unit.read_text())
    return parser["Service"]


@pytest.fixture
def installed(tmp_path: Path) -> list[Path]:
    """The units as they are once installed: with a program that is there."""
    copies = []
    for unit in (*UNITS, *FOLDER.glob("*.timer")):
        copy = tmp_path / unit.name
        copy.write_text(unit.read_text().replace("/opt/remedy/bin/remedy", shutil.which("true")))
        copies.append(copy)
    return copies


def run(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([*map(str, arguments)], check=False, capture_output=True, text=True, timeout=60)


def analyze(*arguments: object) -> subprocess.CompletedProcess[str]:
    return run("systemd-analyze", *arguments)


@needs_analyze
def test_systemd_finds_nothing_wrong(installed: list[Path]) -> None:
    answer = analyze("verify", "--man=no", *installed)
    ours = [line for line in answer.stderr.splitlines() if "remedy" in line]
    assert (ours, answer.returncode) == ([], 0)


@needs_analyze
def test_systemd_finds_a_misspelt_key(installed: list[Path]) -> None:
    installed[0].write_text(installed[0].read_text().replace("ProtectSystem=", "ProtectSystme="))
    assert "ProtectSystme" in analyze("verify", "--man=no", installed[0]).stderr


@needs_analyze
def test_systemd_calls_them_well_confined(installed: list[Path]) -> None:
    for unit in (each for each in installed if each.suffix == ".service"):
        answer = analyze("security", "--offline=true", "--threshold=25", unit)
        assert answer.returncode == 0, answer.stdout[-200:]


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_each_unit_keeps_its_promises(unit: Path) -> None:
    keys = service(unit)
    promised = {
        "NoNewPrivileges": "true",
        "PrivateTmp": "true",
        "ProtectSystem": "strict",
        "MemoryMax": "512M",
        "CPUQuota": "50%",
        "KillMode": "control-group",
    }
    serves = {"Type": "notify", "Restart": "always", "WatchdogSec": "30s", "ExecReload": "kill -HUP $MAINPID"}
    promised |= {"Type": "oneshot", "SuccessExitStatus": "1"} if unit.stem == "remedy-once" else serves
    assert {key: keys[key] for key in promised} == promised
    assert keys["User"].startswith("remedy-")
    assert f"u {keys['User']} " in (FOLDER / "remedy.sysusers.conf").read_text()


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_what_a_unit_starts_is_a_command_of_ours(unit: Path) -> None:
    program, command, *words = service(unit)["ExecStart"].split()
    assert program == "/opt/remedy/bin/remedy"
    answer = run(REMEDY, command, "--help")
    assert answer.returncode == 0, answer.stderr
    assert all(word in answer.stdout for word in words if word.startswith("--"))


@pytest.mark.skipif(not shutil.which("systemd-sysusers"), reason="systemd-sysusers is not installed")
def test_users_and_folders_are_made_as_written(tmp_path: Path) -> None:
    (tmp_path / "etc").mkdir()
    for command, file in (
        (["systemd-sysusers"], "remedy.sysusers.conf"),
        (["systemd-tmpfiles", "--create"], "remedy.tmpfiles.conf"),
    ):
        answer = run(*command, f"--root={tmp_path}", FOLDER / file)
        assert answer.returncode == 0, answer.stderr
    made = (tmp_path / "etc" / "passwd").read_text()
    assert {line.split(":")[0] for line in made.splitlines()} >= {"remedy-bridge", "remedy-exporter"}
    assert (tmp_path / "etc" / "remedy").is_dir()
