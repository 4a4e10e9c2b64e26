"""The units under a real systemd, without the users and the sandbox that only the machine's own has."""

import http.client
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bridge.actions.systemd_user import UserManager, user_manager
from tests.deploy.test_systemd import FOLDER, REMEDY, service
from tests.e2e.waiting import wait_for

KEPT = ("Type", "NotifyAccess", "WatchdogSec", "ExecReload", "Restart", "RestartSec", "TimeoutStopSec", "KillMode")
CONFIGURED = {
    "remedy-exporter": ("exporter.yml", "listen: {address}\nstate: {folder}/exporter.db\n", "/-/healthy"),
    "remedy-bridge": (
        "remediation.yml",
        "web: {{listen: '{address}'}}\ndatabase: sqlite:///{folder}/ledger.db\n",
        "/-/ready",
    ),
}


@pytest.fixture(scope="module")
def manager() -> Iterator[UserManager]:
    with user_manager() as manager:
        yield manager


@pytest.fixture(params=sorted(CONFIGURED))
def unit(request: pytest.FixtureRequest, manager: UserManager, tmp_path: Path) -> Iterator["Unit"]:
    unit = Unit(request.param, manager, tmp_path)
    manager.write(f"{unit.name}.service", unit.text())
    yield unit
    manager.call("stop", unit.name)
    manager.call("reset-failed")


class Unit:
    """One of our units, with a configuration of its own."""

    def __init__(self, name: str, manager: UserManager, folder: Path) -> None:
        self.name, self.manager = name, manager
        with socket.create_server(("127.0.0.1", 0)) as probe:
            self.port = probe.getsockname()[1]
        file, text, self.page = CONFIGURED[name]
        self.file = folder / file
        self.file.write_text(text.format(address=f"127.0.0.1:{self.port}", folder=folder))
        self.file.chmod(0o600)

    def text(self) -> str:
        """Write the unit; what it starts is that of this clone."""
        keys = service(FOLDER / f"{self.name}.service")
        kept = "\n".join(f"{key}={keys[key]}" for key in KEPT)
        command = re.sub(r"^\S+ (.*?)(?: --config \S+)+$", rf"{REMEDY} \1 --config {self.file}", keys["ExecStart"])
        return f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{kept}\nExecStart={command}\n"

    def show(self, key: str) -> str:
        return self.manager.call("show", "--value", "-p", key, self.name)

    def answers(self) -> bool:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            connection.request("GET", self.page)
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()


def test_it_has_started_when_it_answers_and_comes_back_when_it_dies(unit: Unit) -> None:
    unit.manager.call("start", unit.name)
    assert unit.answers(), "systemctl returned, so it answers"
    first = unit.show("MainPID")
    unit.manager.call("reload", unit.name)
    assert (unit.show("ActiveState"), unit.show("MainPID")) == ("active", first)
    unit.manager.call("kill", "--signal=KILL", unit.name)
    wait_for(lambda: unit.show("NRestarts") == "1" and unit.show("ActiveState") == "active")
    assert unit.show("MainPID") != first
    assert unit.answers()
    unit.manager.call("stop", unit.name)
    assert (unit.show("ActiveState"), unit.show("Result")) == ("inactive", "success")


def test_a_wrong_configuration_does_not_count_as_started(unit: Unit) -> None:
    unit.file.write_text("nonsense: true\n")
    unit.manager.write(f"{unit.name}.service", unit.text().replace("Restart=always", "Restart=no"))
    with pytest.raises(Exception, match="non-zero exit status"):
        unit.manager.call("start", unit.name)
    assert unit.show("ExecMainStatus") == "2"


def test_the_daemons_own_file_is_served_at_a_socket_and_comes_back(manager: UserManager, tmp_path: Path) -> None:
    file = tmp_path / "app" / "scripts" / "error_patterns.json"
    file.parent.mkdir(parents=True)
    file.write_text('{"error_patterns": [], "log_paths": ["logs/app.log"]}')
    file.chmod(0o600)
    keys = service(FOLDER / "remedy-run.service")
    kept = "\n".join(f"{key}={keys[key]}" for key in KEPT)
    command = f"{REMEDY} run --continuous --config {file}"
    manager.write("remedy-run.service", f"[Unit]\nStartLimitIntervalSec=0\n[Service]\n{kept}\nExecStart={command}\n")
    try:
        manager.call("start", "remedy-run")
        socket_file = tmp_path / "app" / ".remedy" / "bridge.sock"
        assert socket_file.exists(), "systemctl returned, so it answers"
        first = manager.call("show", "--value", "-p", "MainPID", "remedy-run")
        manager.call("kill", "--signal=KILL", "remedy-run")
        wait_for(lambda: manager.call("show", "--value", "-p", "MainPID", "remedy-run") not in (first, "0"), within=30)
        wait_for(lambda: manager.call("show", "--value", "-p", "ActiveState", "remedy-run") == "active", within=30)
    finally:
        manager.call("stop", "remedy-run")
        manager.call("reset-failed")
    assert not socket_file.exists()
