"""deploy/compose/make_secrets.py, run as the one-shot service runs it."""

import stat
import subprocess
import sys
from pathlib import Path

import bcrypt

from remedy.web.webconfig import read_web_config

SCRIPT = Path(__file__).resolve().parents[2] / "deploy" / "compose" / "make_secrets.py"


def make(folder: Path) -> str:
    argv = [sys.executable, str(SCRIPT), str(folder / "token"), str(folder / "operator")]
    return subprocess.run(argv, capture_output=True, text=True, check=True).stdout


def contents(folder: Path) -> dict[str, str]:
    files = (file for file in folder.rglob("*") if file.is_file())
    return {str(file.relative_to(folder)): file.read_text(encoding="ascii") for file in files}


def test_it_makes_what_is_missing_and_keeps_what_is_there(tmp_path: Path) -> None:
    make(tmp_path)
    before = contents(tmp_path)
    assert before.keys() == {"token", "operator/password", "operator/web-config.yml"}
    assert before["token"] != before["operator/password"]
    assert make(tmp_path) == ""
    assert contents(tmp_path) == before
    (tmp_path / "token").unlink()
    assert make(tmp_path) == f"{tmp_path / 'token'}: made\n"
    assert contents(tmp_path)["operator/password"] == before["operator/password"]


def test_secrets_are_long_for_owner_and_group_only_and_not_printed(tmp_path: Path) -> None:
    said = make(tmp_path)
    for name in ("token", "operator/password"):
        text = (tmp_path / name).read_text(encoding="ascii")
        assert len(bytes.fromhex(text)) == 32
        assert text not in said
        assert stat.S_IMODE((tmp_path / name).stat().st_mode) == 0o640


def test_the_operators_password_opens_what_the_web_configuration_says(tmp_path: Path) -> None:
    make(tmp_path)
    users = read_web_config(tmp_path / "operator" / "web-config.yml").basic_auth_users
    assert users.keys() == {"operator"}
    password = (tmp_path / "operator" / "password").read_bytes()
    assert bcrypt.checkpw(password, users["operator"].encode())


def test_a_draft_that_was_left_by_a_crash_is_no_secret(tmp_path: Path) -> None:
    (tmp_path / ".token.new").write_text("half", encoding="ascii")
    make(tmp_path)
    assert not (tmp_path / ".token.new").exists()
    assert len((tmp_path / "token").read_text(encoding="ascii")) == 64
