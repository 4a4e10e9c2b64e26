"""`remedy install-service`: what the unit lets through is what the configuration names, and systemd accepts it."""

import grp
import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.test_systemd import REMEDY, needs_analyze

BRIDGE = """
database: sqlite:///{folder}/state/ledger.db
allow: {{roots: ["{folder}/logs", "{folder}/with blank %h"], ports: [5100], containers: [web], units: [app.service]}}
remediations:
  - {{name: port, match: 'a="1"', steps: [{{kill_process_on_port: {{port: 5100, expect: {{name: app}}}}}}]}}
  - {{name: box, match: 'a="2"', steps: [{{docker_container: {{name: web}}}}]}}
  - {{name: unit, match: 'a="3"', steps: [{{service_restart: {{unit: app.service}}}}]}}
"""
EXPORTER = """
state: {folder}/exporter.db
checks: [{{name: boxes, kind: docker}}]
log_sources: [{{name: app, path: "{folder}/logs/*.log"}}, {{name: open, path: "{folder}/with blank %h/*.log"}}]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Folders and logs of several groups; not below /tmp, as far as the command can see."""
    for name in ("logs", "with blank %h", "state"):
        (tmp_path / name).mkdir(mode=0o750)
    for name, mode in (("logs/app.log", 0o640), ("with blank %h/open.log", 0o644)):
        (tmp_path / name).touch()
        (tmp_path / name).chmod(mode)
    return tmp_path


def written(place: Path, name: str, text: str) -> Path:
    file = place / name
    file.write_text(text.format(folder=place))
    file.chmod(0o600)
    return file


def install(place: Path, service: str, *configs: Path, more: tuple[str, ...] = ("--shared-tmp",)):
    named = [word for config in configs for word in ("--config", config)]
    argv = [REMEDY, "install-service", service, *named, "--root", place / "root", *more]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


def drop_in(place: Path, service: str) -> list[str]:
    file = place / "root/etc/systemd/system" / f"remedy-{service}.service.d/10-configuration.conf"
    return [line for line in file.read_text().splitlines() if not line.startswith("#")]


def test_the_bridge_may_touch_what_allow_names_and_its_actions_need(place: Path) -> None:
    done = install(place, "bridge", written(place, "remediation.yml", BRIDGE))
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "then: systemctl enable --now remedy-bridge.service"
    escaped = str(place)
    assert drop_in(place, "bridge") == [
        "[Service]",
        f"ReadWritePaths=-{escaped}/logs",
        f'ReadWritePaths="-{escaped}/with blank %%h"',
        f"ReadWritePaths=-{escaped}/state",
        "AmbientCapabilities=CAP_KILL",
        "CapabilityBoundingSet=CAP_KILL",
        "SupplementaryGroups=docker",
        "PrivateTmp=false",
    ]


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_the_exporter_is_in_the_groups_that_may_read_its_logs(place: Path) -> None:
    for file in place.glob("*/*.log"):
        os.chown(file, 0, grp.getgrnam("adm").gr_gid)
    done = install(place, "exporter", written(place, "exporter.yml", EXPORTER))
    assert done.returncode == 0, done.stderr
    assert [line for line in drop_in(place, "exporter") if "Groups" in line] == ["SupplementaryGroups=adm docker"]
    (place / "logs/app.log").chmod(0o644)
    install(place, "exporter", place / "exporter.yml")
    assert [line for line in drop_in(place, "exporter") if "Groups" in line] == ["SupplementaryGroups=docker"]


@needs_analyze
@pytest.mark.parametrize("service", ["bridge", "exporter", "run", "once"])
def test_systemd_accepts_it_and_calls_it_well_confined(place: Path, service: str) -> None:
    files = {
        "exporter": [written(place, "exporter.yml", EXPORTER)],
        "bridge": [written(place, "remediation.yml", BRIDGE)],
    }
    configs = files.get(service) or [file for both in files.values() for file in both]
    assert install(place, service, *configs).returncode == 0
    units = place / "root/etc/systemd/system"
    shown = {"SYSTEMD_UNIT_PATH": f"{units}:", "PATH": os.environ["PATH"]}
    for argv in (["verify", "--man=no"], ["security", "--offline=true", "--threshold=30"]):
        unit = units / f"remedy-{service}.service"
        answer = subprocess.run(
            ["systemd-analyze", *argv, unit], check=False, capture_output=True, text=True, timeout=60, env=shown
        )
        ours = [line for line in answer.stderr.splitlines() if "remedy" in line]
        assert (ours, answer.returncode) == ([], 0), answer.stdout[-300:]
    command = next(line for line in unit.read_text().splitlines() if line.startswith("ExecStart="))
    assert command.endswith(" ".join(f"--config {config}" for config in configs))
    assert Path(command.split()[0].removeprefix("ExecStart=")) == REMEDY


@pytest.mark.parametrize(
    ("service", "names", "said"),
    [
        ("bridge", ["exporter.yml"], "remedy-bridge.service takes one --config, remediation.yml"),
        ("exporter", ["remediation.yml"], "remedy-exporter.service takes one --config, exporter.yml"),
        ("bridge", ["nothing.yml"], "nothing.yml"),
    ],
)
def test_what_is_wrong_is_one_line_and_nothing_is_written(
    place: Path, service: str, names: list[str], said: str
) -> None:
    written(place, "exporter.yml", EXPORTER)
    written(place, "remediation.yml", BRIDGE)
    done = install(place, service, *(place / name for name in names))
    assert (done.returncode, len(done.stderr.splitlines()), said in done.stderr) == (2, 1, True), done.stderr
    assert not (place / "root").exists()


def test_the_daemons_own_file_is_enough(place: Path) -> None:
    (place / "app" / "config").mkdir(parents=True)
    actions = [{"type": "fix_permissions", "paths": ["logs"], "mode": "0640"}]
    patterns = [
        {"id": "denied", "name": "x", "pattern": "denied", "severity": "error", "auto_fix": True, "actions": actions}
    ]
    file = place / "app" / "config" / "error_patterns.json"
    file.write_text(json.dumps({"error_patterns": patterns, "log_paths": ["logs/app.log"]}))
    done = install(place, "run", file)
    assert done.returncode == 0, done.stderr
    lines = drop_in(place, "run")
    assert f"ReadWritePaths=-{place}/app" in lines
    assert "AmbientCapabilities=CAP_CHOWN CAP_FOWNER" in lines


def test_one_cycle_comes_with_its_timer(place: Path) -> None:
    files = [written(place, "exporter.yml", EXPORTER), written(place, "remediation.yml", BRIDGE)]
    done = install(place, "once", *files)
    assert done.stdout.splitlines()[-1] == "then: systemctl enable --now remedy-once.timer", done.stderr
    timer = place / "root/etc/systemd/system/remedy-once.timer"
    assert "OnCalendar=*:0/5" in timer.read_text()


def test_a_private_tmp_would_clean_nothing(place: Path) -> None:
    file = written(place, "remediation.yml", "allow: {{roots: [/tmp]}}\n")
    done = install(place, "bridge", file, more=())
    assert (done.returncode, "clean nothing" in done.stderr) == (2, True)
    assert not (place / "root").exists()


@pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("unshare"), reason="needs a mount namespace")
def test_a_bridge_with_a_private_tmp_refuses_to_clean_it(place: Path) -> None:
    """As systemd makes it: a folder of its own over /tmp. The configuration is passed by a descriptor."""
    file = written(place, "remediation.yml", "allow: {{roots: [/var/tmp/x]}}\n")
    check = [REMEDY, "check-config", file]
    assert subprocess.run(check, check=False, capture_output=True, timeout=60).returncode == 0
    private = place / "systemd-private-0-remedy-bridge.service-x" / "tmp"
    private.mkdir(parents=True)
    script = 'mount --make-rprivate / && mount --bind "$0" /var/tmp && shift 0 && exec "$@"'
    done = subprocess.run(
        ["unshare", "-m", "bash", "-c", script, private, *check],
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, len(done.stderr.splitlines())) == (2, 1), done.stderr
    assert "allow.roots[0]: cleaning /var/tmp/x would clean nothing" in done.stderr


@pytest.mark.slow
def test_a_wheel_carries_what_is_shipped(tmp_path: Path) -> None:
    """Built and unpacked as it would be installed; nothing of the checkout is beside it."""
    root = Path(__file__).parents[2]
    made = subprocess.run(
        [REMEDY.with_name("python"), "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-w", tmp_path, root],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert made.returncode == 0, made.stderr
    site = tmp_path / "site"
    shutil.unpack_archive(next(tmp_path.glob("*.whl")), site, format="zip")
    code = (
        "from remedy.config.shipped import shipped;"
        "print(*sorted(shipped('monitoring').iterdir()), shipped('deploy/systemd'))"
    )
    done = subprocess.run(
        [REMEDY.with_name("python"), "-c", code],
        check=True, capture_output=True, text=True, timeout=60, cwd=site, env={"PYTHONPATH": str(site)},
    )  # fmt: skip
    assert str(site / "remedy/shipped/monitoring/prometheus.yml") in done.stdout
    assert str(site / "remedy/shipped/deploy/systemd") in done.stdout
