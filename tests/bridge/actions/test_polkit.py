"""The rule of `remedy polkit`, judged by a real polkit with a bus of its own, in namespaces of its own."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from click.testing import CliRunner

from bridge.actions.host.polkit import VERBS, rule
from remedy.commands.polkit import command

ROOT = Path(__file__).parents[3]
_POLKITD = Path("/usr/lib/polkit-1/polkitd")
_ASK = """
mount -t tmpfs none /run && mount -t tmpfs none /etc/polkit-1/rules.d || exit 1
mkdir /run/dbus
cp "$1" /etc/polkit-1/rules.d/50-remedy-bridge.rules
chmod 755 /etc/polkit-1/rules.d
chmod 644 /etc/polkit-1/rules.d/50-remedy-bridge.rules
dbus-daemon --system --fork --nopidfile || exit 1
"$2" --no-debug &
until dbus-send --system --print-reply --dest=org.freedesktop.DBus / org.freedesktop.DBus.GetNameOwner \\
    string:org.freedesktop.PolicyKit1 >/dev/null 2>&1; do sleep 0.05; done
setpriv --reuid 65534 --regid 65534 --clear-groups sleep 60 &
asker=$!
until [ "$(stat -c %u /proc/$asker)" = 65534 ]; do sleep 0.01; done
while read -r unit verb; do
    pkcheck --action-id org.freedesktop.systemd1.manage-units --detail unit "$unit" --detail verb "$verb" \\
        --process "$asker" >/dev/null 2>&1 </dev/null
    echo "$unit $verb $?"
done
pkcheck --action-id org.freedesktop.systemd1.manage-unit-files --process "$asker" >/dev/null 2>&1
echo "files - $?"
"""
_UNITS = ["app.service", "odd\\x2dname@1.service"]
_OTHERS = ["other.service", "app.service.d", "xapp.service", "APP.service", "app.servic"]


def asked(file: Path, questions: list[tuple[str, str]]) -> dict[tuple[str, str], int]:
    """Ask polkit whether `nobody` may; 0 says yes."""
    if os.geteuid() != 0 or not _POLKITD.exists() or shutil.which("pkcheck") is None:
        pytest.skip("a polkit of our own needs root (apt-get install polkitd)")
    done = subprocess.run(
        [
            "unshare",
            "--mount",
            "--pid",
            "--fork",
            "--kill-child",
            "--mount-proc",
            "sh",
            "-c",
            _ASK,
            "sh",
            file,
            _POLKITD,
        ],
        input="".join(f"{unit} {verb}\n" for unit, verb in questions),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    lines = [line.split(" ") for line in done.stdout.splitlines()]
    assert lines, done.stderr
    return {(unit, verb): int(code) for unit, verb, code in lines}


def test_exactly_the_units_and_what_steps_do_with_them(tmp_path: Path) -> None:
    file = tmp_path / "rule"
    file.write_text(rule(_UNITS, "nobody"))
    verbs = [*VERBS, "kill", "set-property", "freeze"]
    said = asked(file, [(unit, verb) for unit in _UNITS + _OTHERS for verb in verbs])
    expected = {(unit, verb): unit in _UNITS and verb in VERBS for unit in _UNITS + _OTHERS for verb in verbs}
    assert {question: code == 0 for question, code in said.items()} == expected | {("files", "-"): False}


def test_nobody_but_the_bridge(tmp_path: Path) -> None:
    file = tmp_path / "rule"
    file.write_text(rule(_UNITS, "remedy-bridge"))
    assert asked(file, [("app.service", "restart")])["app.service", "restart"] != 0


def test_the_command_writes_it_from_the_configuration(tmp_path: Path) -> None:
    file = tmp_path / "remediation.yml"
    file.write_text("allow: {units: [itsm-nexus.service]}\n")
    file.chmod(0o600)
    said = CliRunner().invoke(command, ["--config", str(file)])
    assert said.output == (ROOT / "deploy/polkit/50-remedy-bridge.rules").read_text()
    file.write_text("mode: auto\n")
    refused = CliRunner().invoke(command, ["--config", str(file)])
    assert (refused.exit_code, "names no unit" in refused.output) == (1, True)
