"""deploy/compose/make_secrets.py, run as the one-shot service runs it."""

import stat
import subprocess
import sys
from pathlib import Path

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "make_secrets.py"


def make(*files: Path) -> str:
    done = subprocess.run([sys.executable, str(SCRIPT), *map(str, files)], capture_output=True, text=True, check=True)
    return done.stdout


def test_it_makes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    token, password = tmp_path / "token", tmp_path / "password"
    assert make(token) == f"{token}: made\n"
    before = token.read_text(encoding="ascii")
    said = make(token, password)
    assert said == f"{token}: is there already\n{password}: made\n"
    assert token.read_text(encoding="ascii") == before
    assert password.read_text(encoding="ascii") != before


def test_a_secret_is_long_and_for_its_owner_and_group_only(tmp_path: Path) -> None:
    token = tmp_path / "token"
    said = make(token)
    assert stat.S_IMODE(token.stat().st_mode) == 0o640
    assert len(bytes.fromhex(token.read_text(encoding="ascii"))) == 32
    assert token.read_text(encoding="ascii") not in said


def test_a_draft_that_was_left_by_a_crash_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".token.new").write_text("half", encoding="ascii")
    make(tmp_path / "token")
    assert [file.name for file in tmp_path.iterdir()] == ["token"]
    assert len((tmp_path / "token").read_text(encoding="ascii")) == 64
