"""`systemd_unit` on a real systemd of our own, over a real bus."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest

from exporters.checks.base import Status
from tests.bridge.actions.systemd_user import UserManager, user_manager
from tests.exporters.checks.looking import look


@pytest.fixture(scope="module")
def manager() -> Iterator[UserManager]:
    with user_manager() as running:
        try:
            running.call("start", "dbus.socket", "dbus.service")
        except subprocess.CalledProcessError as failed:
            pytest.skip(f"this systemd has no bus of its own (apt-get install dbus-user-session): {failed.stderr}")
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("DBUS_SESSION_BUS_ADDRESS", f"unix:path={running.home}/run/bus")
            deadline = time.monotonic() + 10
            while (said := look("systemd_unit", unit="x.service", bus="user")).status is Status.UNKNOWN:
                assert time.monotonic() < deadline, said
                time.sleep(0.05)
            yield running


def test_states(manager: UserManager) -> None:
    manager.write("app.service", "[Service]\nExecStart=/bin/sleep 1000\n")
    asked = {"unit": "app.service", "bus": "user"}
    assert look("systemd_unit", **asked).status is Status.UNHEALTHY
    manager.call("start", "app.service")
    result = look("systemd_unit", **asked)
    assert (result.status, result.details["sub_state"]) == (Status.HEALTHY, "running"), result
    missing = look("systemd_unit", unit="nothing.service", bus="user")
    assert (missing.status, "does not exist" in missing.message) == (Status.UNHEALTHY, True), missing


def test_a_unit_that_systemd_has_given_up(manager: UserManager) -> None:
    limit = "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=60\n"
    manager.write("broken.service", f"{limit}[Service]\nExecStart=/bin/sleep 1000\n")
    with suppress(subprocess.CalledProcessError):
        for _ in range(10):
            manager.call("restart", "broken.service")
    result = look("systemd_unit", unit="broken.service", bus="user")
    assert (result.status, "reset-failed" in result.message) == (Status.UNHEALTHY, True), result
