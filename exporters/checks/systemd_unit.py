"""A systemd unit."""

import asyncio
from typing import Any, Literal

from pydantic import Field, model_validator

from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Status
from remedy.config.extras import require

_MANAGER = "org.freedesktop.systemd1"


class SystemdUnit(Check):
    """The state of a systemd unit, asked over D-Bus. Its value is how often systemd has restarted it.

    A unit that systemd has given up on says so: `start-limit-hit` stays until `systemctl reset-failed`.

        - {name: app_unit, kind: systemd_unit, unit: itsm-nexus.service, critical: true}
    """

    unit: str = Field(pattern=r"^[A-Za-z0-9:_.\\@-]+\.[a-z]+$", description="With its suffix.")
    active: list[str] = Field(default=["active", "reloading"], description="The states that are healthy.")
    max_restarts: int | None = Field(default=None, ge=0, description="More restarts than this are unhealthy.")
    bus: Literal["system", "user"] = "system"

    @model_validator(mode="after")
    def _has_its_library(self) -> "SystemdUnit":
        require("dbus_fast", "systemd")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        try:
            found = asyncio.run(asyncio.wait_for(self._properties(), context.remaining()))
        except TimeoutError:
            raise CheckError("systemd did not answer in time") from None
        state, result = found["ActiveState"], found.get("Result", "success")
        restarts = int(found.get("NRestarts", 0))
        said = f"{self.unit} is {state} ({found['SubState']})"
        status = Status.HEALTHY
        if found["LoadState"] == "not-found":
            status, said = Status.UNHEALTHY, f"{self.unit} does not exist"
        elif state not in self.active:
            status = Status.UNHEALTHY
            said += f": {result}" if result != "success" else ""
            said += ", until systemctl reset-failed" if result == "start-limit-hit" else ""
        elif self.max_restarts is not None and restarts > self.max_restarts:
            status, said = Status.UNHEALTHY, f"{said}, restarted {restarts} times, more than {self.max_restarts}"
        details = {"active_state": state, "sub_state": found["SubState"], "result": result, "restarts": restarts}
        return CheckResult(status, said, restarts, "restarts", self.max_restarts, details)

    async def _properties(self) -> dict[str, Any]:
        aio: Any = require("dbus_fast.aio", "systemd")
        dbus: Any = require("dbus_fast", "systemd")
        kind = dbus.BusType.SYSTEM if self.bus == "system" else dbus.BusType.SESSION
        try:
            bus = await aio.MessageBus(bus_type=kind).connect()
        except OSError as error:
            raise CheckError(f"D-Bus cannot be reached: {error.strerror or error}") from None
        try:

            async def call(path: str, interface: str, member: str, signature: str, body: list[str]) -> Any:
                message = dbus.Message(_MANAGER, path, interface, member, signature=signature, body=body)
                reply = await bus.call(message)
                if reply.message_type is dbus.MessageType.ERROR:
                    raise CheckError(f"systemd: {reply.body[0] if reply.body else reply.error_name}")
                return reply.body[0]

            path = await call("/org/freedesktop/systemd1", f"{_MANAGER}.Manager", "LoadUnit", "s", [self.unit])
            found: dict[str, Any] = {}
            for interface in ("Unit", "Service"):
                if interface == "Unit" or self.unit.endswith(".service"):
                    body = [f"{_MANAGER}.{interface}"]
                    found |= await call(path, "org.freedesktop.DBus.Properties", "GetAll", "s", body)
            return {key: variant.value for key, variant in found.items()}
        finally:
            bus.disconnect()
