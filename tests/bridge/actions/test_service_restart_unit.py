"""`service_restart` with a real systemd: what works, and what each kind of failure is called."""

import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError, StepTimeoutError
from bridge.actions.host.systemd import own_units
from bridge.actions.service_restart import ServiceRestart
from tests.bridge.actions.conftest import MakeContext
from tests.bridge.actions.systemd_user import UserManager, user_manager

LOOPS = "[Unit]\nStartLimitIntervalSec=0\n[Service]\nRestart=always\nRestartSec=1ms\nExecStart=/bin/sleep .2\n"
UNITS = {
    "good.service": "[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/true\n",
    "once.service": "[Service]\nType=oneshot\nExecStart=/bin/true\n",
    "dies.service": "[Service]\nExecStart=/bin/sh -c 'sleep 0.2; exit 3'\n",
    "never.service": "[Service]\nExecStart=/bin/false\n",
    "loops.service": LOOPS,
    "often.service": "[Unit]\nStartLimitBurst=2\nStartLimitIntervalSec=1h\n[Service]\nExecStart=/bin/sleep 1000\n",
    "refuses.service": "[Unit]\nRefuseManualStart=yes\nRefuseManualStop=yes\n[Service]\nExecStart=/bin/sleep 1000\n",
    "slow.service": "[Service]\nType=notify\nExecStart=/bin/sleep 1000\n",
}
ALLOW = Allow(units=frozenset({*UNITS, "missing.service", "masked.service"}))


@pytest.fixture(scope="module")
def manager() -> Iterator[UserManager]:
    with user_manager() as manager:
        for unit, text in UNITS.items():
            manager.write(unit, text)
        manager.call("mask", "masked.service")
        manager.call("start", "dbus.socket", "dbus.service")
        _wait_for_systemd_on(manager.home / "run" / "bus")
        yield manager


def _wait_for_systemd_on(bus: Path) -> None:
    """It takes its name on the bus a moment after the bus is there."""
    asked = ["dbus-send", f"--bus=unix:path={bus}", "--print-reply", "--dest=org.freedesktop.DBus", "/"]
    asked += ["org.freedesktop.DBus.GetNameOwner", "string:org.freedesktop.systemd1"]
    deadline = time.monotonic() + 10
    while subprocess.run(asked, capture_output=True, check=False).returncode:
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.fixture(params=["D-Bus", "systemctl"])
def context(
    manager: UserManager, make_context: MakeContext, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[StepContext]:
    """Ask over the bus; and again where there is no bus, so that systemctl is asked."""
    bus = manager.home / "run" / ("bus" if request.param == "D-Bus" else "no-bus")
    for name, value in {**manager.env, "DBUS_SESSION_BUS_ADDRESS": f"unix:path={bus}"}.items():
        monkeypatch.setenv(name, value)
    context = make_context(ALLOW)
    yield context
    assert ("not asked over D-Bus" in context.output.text()) <= (request.param == "systemctl")


def act(unit: str, **keys: object) -> ServiceRestart:
    return ServiceRestart.model_validate({"unit": unit, "manager": "user", "settle": "100ms", **keys})


def test_a_restart_is_another_start(manager: UserManager, context: StepContext) -> None:
    assert "is active (running)" in act("good.service").run(context)
    before = manager.call("show", "--value", "-p", "InvocationID", "good.service")
    assert "was active (running), is active (running)" in act("good.service").run(context)
    assert manager.call("show", "--value", "-p", "InvocationID", "good.service") != before


def test_start_reload_stop(manager: UserManager, context: StepContext) -> None:
    for operation, state in (("stop", "inactive"), ("start", "active"), ("reload", "active"), ("stop", "inactive")):
        act("good.service", operation=operation).run(context)
        assert manager.call("show", "--value", "-p", "ActiveState", "good.service") == state


def test_a_oneshot_that_ended_well_is_well(context: StepContext) -> None:
    assert "is inactive" in act("once.service").run(context)


@pytest.mark.parametrize(
    ("unit", "keys", "error", "why"),
    [
        ("missing.service", {}, StepError, "systemd does not know the unit missing.service"),
        ("masked.service", {}, StepRefusedError, "is masked"),
        ("dies.service", {"settle": "600ms"}, StepError, r"dies.service is failed \(failed, result exit-code\)"),
        ("never.service", {"settle": "500ms"}, StepError, r"never.service is failed"),
        ("loops.service", {"settle": "1s"}, StepError, r"started again by itself|is active|is activating"),
        ("refuses.service", {}, StepError, "may be requested by dependency only"),
        ("good.service", {"operation": "reload"}, StepError, "reload of good.service failed"),
    ],
)
def test_each_failure_has_its_name(
    unit: str, keys: dict[str, str], error: type[StepError], why: str, context: StepContext
) -> None:
    with pytest.raises(error, match=why):
        act(unit, **keys).run(context)


def test_start_limit_hit(manager: UserManager, context: StepContext) -> None:
    manager.call("reset-failed")
    for _ in range(2):
        act("often.service").run(context)
    with pytest.raises(StepError, match=r"start-limit-hit.*reset-failed often\.service"):
        act("often.service").run(context)
    assert "start limit was reset once" in act("often.service", reset_start_limit=True).run(context)
    assert manager.call("show", "--value", "-p", "ActiveState", "often.service") == "active"


def test_one_that_never_comes_up_ends_with_the_step(
    manager: UserManager, make_context: MakeContext, context: StepContext
) -> None:
    del context
    with pytest.raises(StepTimeoutError):
        act("slow.service").run(make_context(ALLOW, seconds=0.7))
    manager.call("stop", "slow.service")


def test_nobody_to_ask(make_context: MakeContext, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", "/nonexistent")
    monkeypatch.delenv("DBUS_SESSION_BUS_ADDRESS", raising=False)
    with pytest.raises(StepError, match="systemd cannot be asked"):
        act("good.service").run(make_context(ALLOW))


def test_what_is_not_named_is_refused(make_context: MakeContext) -> None:
    with pytest.raises(StepRefusedError, match=r"'good\.service' is not in allow\.units"):
        act("good.service").run(make_context(Allow(units=frozenset({"other.service"}))))


@pytest.mark.parametrize(
    "unit",
    [
        "-rf.service",
        "*.service",
        "a b.service",
        "good",
        "../x.service",
        "a\n.service",
        "$(id).service",
        "",
        "good.service\n",
        "a\0.service",
        "\u202egood.service",
        "[a-z].service",
        "good.service --now",
        "a" * 260 + ".service",
    ],
)
def test_what_is_no_unit_is_none(unit: str) -> None:
    with pytest.raises(ValidationError):
        ServiceRestart(unit=unit)


def test_our_own_unit_is_known() -> None:
    text = "0::/user.slice/user-1000.slice/user@1000.service/app.slice/remedy-bridge.service\n"
    assert {"remedy-bridge.service", "user@1000.service", "app.slice"} <= own_units(text)


@pytest.mark.parametrize("keys", [{}, {"unit": "a.service", "process": {"pid_file": "/x", "argv": ["/x"]}}])
def test_one_of_unit_and_process(keys: dict[str, object]) -> None:
    with pytest.raises(ValidationError, match="exactly one of unit, process and supervisor"):
        ServiceRestart.model_validate(keys)
