"""Odd files: what can be understood works, everything else is said by file, line and key; never a stack trace."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from bridge.policy.loading import load_policy
from exporters.config import read_config
from remedy.cli import main
from remedy.error_patterns.regexes import for_bytes
from remedy.error_patterns.translation import Translation, Where, translate
from tests.remedy.error_patterns.odd import ODD, PLAIN, Odd, actions

REMEDY = Path(sys.executable).with_name("remedy")
Remedy = Callable[..., tuple[int, str]]
ids = [odd.name for odd in ODD]
REFUSED = {
    "nothing": b"", "null": b"null", "a_list": b"[]", "a_text": b'"x"', "half_a_file": PLAIN.encode()[:60],
    "another_alphabet": PLAIN.encode("shift_jis"), "utf_16": PLAIN.encode("utf-16"), "bytes": bytes(range(256)),
    "too_deep": b"[" * 5000 + b"]" * 5000, "a_number_without_end": b'{"error_patterns": [{"id": ' + b"9" * 5000,
}  # fmt: skip
"""What can be read by nobody."""


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """An application's folder with its log, and something in it that nobody may lose."""
    home = tmp_path / "app"
    for name in ("scripts", "logs", "elsewhere"):
        (home / name).mkdir(parents=True)
    (home / "logs" / "app.log").write_text("BROKEN\n")
    (home / "app.py").write_text("print('precious')\n")
    return home


def placed(home: Path, raw: bytes) -> Path:
    file = home / "scripts" / "error_patterns.json"
    file.write_bytes(raw)
    file.chmod(0o600)
    return file


@pytest.fixture
def remedy(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str]]:
    """The command line in this process: an exit code and what it wrote to stderr, or whatever it raised."""
    monkeypatch.setenv("PLACE", "elsewhere")

    def call(*words: object) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["remedy", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), capsys.readouterr().err

    return call


def read(home: Path, odd: Odd) -> Translation:
    return translate(Where(placed(home, odd.raw), environment={"PLACE": "elsewhere"}))


@pytest.mark.parametrize("odd", ODD, ids=ids)
def test_what_is_not_used_is_said_and_where(odd: Odd, home: Path) -> None:
    made = read(home, odd)
    notes = [str(note) for note in made.notes]
    for part in odd.said:
        assert any(part.replace("{home}", str(home)) in note for note in notes), (part, notes)
    for note in notes:
        assert re.match(rf"{re.escape(str(home))}/scripts/error_patterns\.json:\d+: ", note), "file and line"
    assert not (odd.silent and notes), notes
    kinds = [check["kind"] for check in made.exporter["checks"]]
    assert kinds == list(odd.checks)


@pytest.mark.parametrize("odd", ODD, ids=ids)
def test_both_commands_take_it_and_what_is_written_is_taken_too(odd: Odd, home: Path, remedy: Remedy) -> None:
    file = placed(home, odd.raw)
    code, checked = remedy("check-config", file)
    assert code == 0, checked
    code, imported = remedy("import", file, "--output", home / "out")
    assert (code, sorted(imported.split())) == (0, sorted(checked.split()))
    read_config(home / "out" / "exporter.yml")
    load_policy(home / "out" / "remediation.yml", insecure=True)


@pytest.mark.parametrize("raw", REFUSED.values(), ids=REFUSED)
def test_what_nobody_can_read_is_one_line(raw: bytes, home: Path, remedy: Remedy) -> None:
    file = placed(home, raw)
    for words in (["check-config", file], ["import", file], ["run", "--once", "--config", file]):
        code, said = remedy(*words)
        assert (code, len(said.splitlines()), str(file) in said) == (2, 1, True), said


@pytest.mark.parametrize("name", ["everything_emptied", "our_own_logs"])
def test_what_is_dangerous_loses_nothing_and_comes_to_an_end(name: str, home: Path) -> None:
    file = placed(home, next(odd for odd in ODD if odd.name == name).raw)
    argv = [REMEDY, "run", "--iterations", "1", "--loop-count", "2", "--wait-minutes", "0", "--json", "--config", file]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
    assert "Traceback" not in done.stderr
    assert (home / "made").is_dir(), done.stderr
    assert (home / "app.py").is_file()
    assert (home / ".remedy" / "ledger.db").is_file()
    assert '"errors_detected": 1,' in done.stdout, "its own words are no errors"


@pytest.mark.slow
@pytest.mark.parametrize("odd", ODD, ids=ids)
def test_what_is_understood_works(odd: Odd, home: Path) -> None:
    argv = [REMEDY, "run", "--once", "--json", "--config", placed(home, odd.raw)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode in (0, 1)
    assert "Traceback" not in done.stderr
    assert (home / "made").is_dir() or not odd.heals, done.stderr
    assert (home / "app.py").is_file()


def test_a_comment_is_no_part_of_a_text(home: Path) -> None:
    text = PLAIN.replace('"BROKEN"', '"http://x/* no comment */ \\"// nor this"')
    made = translate(Where(placed(home, text.encode())))
    assert made.patterns[0].pattern["regex"] == 'http://x/* no comment */ "// nor this'


def test_the_application_is_not_emptied_wherever_the_file_and_the_state_are(home: Path, tmp_path: Path) -> None:
    file = tmp_path / "etc" / "error_patterns.json"
    file.parent.mkdir()
    text = json.dumps(actions({"type": "cache_clear", "directories": [".", "cache"]}), indent=1)
    file.write_text(text.replace("[\n", '[ # a "quote\n'))
    made = translate(Where(file, base=home, environment={"STATE_DIRECTORY": str(tmp_path / "state")}))
    cleared, *_ = made.patterns[0].steps
    assert cleared.fields["directories"] == [f"{home}/cache"]


@pytest.mark.parametrize(
    ("regex", "found", "not_found"),
    [
        (r"foo(?i)BROKEN", "fooBROKEN", "foo"), (r"\u3042x", "あx", "いx"), ("^[デー]タ", "ータ", "aタ"),
        (r"^[あa-c\]]!", "b!", "い!"), (r"\[Errno 2\]", "[Errno 2]", "E"), (r"\\u3042", r"\u3042", "あ"),
        ("x日?y", "xy", "x\u65e6y"), ("(?x) BRO KEN", "BROKEN", "BRO KEN"), ("^(日本){2}$", "日本日本", "日本"),
    ],
)  # fmt: skip
def test_a_regex_of_text_finds_the_same_in_bytes(regex: str, found: str, not_found: str) -> None:
    compiled = re.compile(for_bytes(regex).encode())
    assert compiled.search(found.encode())
    assert not compiled.search(not_found.encode())
