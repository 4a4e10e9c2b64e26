"""systemd over D-Bus: no program is started, and polkit may let us do what it would let nobody do through sudo."""

import asyncio
import os
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar

from bridge.actions.base import StepContext
from bridge.actions.host.units import Manager, NotAllowedError, UnitError, UnitState, Verb
from remedy.config.extras import MissingExtra, require

_NAME, _PATH = "org.freedesktop.systemd1", "/org/freedesktop/systemd1"
_MANAGER = f"{_NAME}.Manager"
_BUS, _BUS_PATH = "org.freedesktop.DBus", "/org/freedesktop/DBus"
_RULE = f"type='signal',sender='{_NAME}',interface='{_MANAGER}',member='JobRemoved'"
_CALLS = {
    Verb.RESTART: "RestartUnit",
    Verb.START: "StartUnit",
    Verb.STOP: "StopUnit",
    Verb.RELOAD: "ReloadUnit",
}
_FORBIDDEN = ("AccessDenied", "InteractiveAuthorizationRequired", "AuthFailed")
_CONNECT_SECONDS = 5.0
_LOOK_AT_STOP_SECONDS = 0.2

Told = TypeVar("Told")


class NoBusError(Exception):
    """systemd cannot be asked over D-Bus; the message says why."""


@dataclass(frozen=True)
class SystemdBus:
    """One systemd, asked in one step's context; each question is a connection of its own."""

    context: StepContext
    manager: Manager

    def state(self, unit: str) -> UnitState:
        """Ask how a unit is.

        Raises:
            NoBusError: nobody can be asked.
            UnitError: systemd does not say.
        """
        return self._asked(lambda bus: _state(bus, unit))

    def do(self, verb: Verb, unit: str) -> None:
        """Do it, and wait for systemd's job to end.

        Raises:
            NoBusError: nobody can be asked; nothing was done.
            NotAllowedError: we may not.
            UnitError: it failed.
            StepError: the step's time is up, or the bridge is stopping.
        """
        self._asked(lambda bus: self._do(bus, verb, unit))

    def _asked(self, question: "Callable[[_Connection], Awaitable[Told]]") -> Told:
        async def ask() -> Told:
            async with _Connection(self.manager) as bus:
                return await self._within(question(bus))

        return asyncio.run(ask())

    async def _within(self, work: Awaitable[Told]) -> Told:
        """Wait for something, but not for longer than the step may."""
        task = asyncio.ensure_future(work)
        try:
            while not task.done():
                await asyncio.wait([task], timeout=min(_LOOK_AT_STOP_SECONDS, self.context.remaining()))
                if not task.done():
                    self.context.pause(0)
        finally:
            if not task.done():
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
        return task.result()

    async def _do(self, bus: "_Connection", verb: Verb, unit: str) -> None:
        if verb is Verb.RESET_FAILED:
            await bus.ask(_PATH, _MANAGER, "ResetFailedUnit", "s", [unit])
            return
        ended: dict[str, str] = {}
        news = asyncio.Event()

        def hear(message: Any) -> None:
            if message.member == "JobRemoved" and message.signature == "uoss":
                _, job, _, result = message.body
                ended[job] = result
                news.set()

        bus.hear(hear)
        await bus.ask(_BUS_PATH, _BUS, "AddMatch", "s", [_RULE], to=_BUS)
        await bus.ask(_PATH, _MANAGER, "Subscribe", "", [])
        job = await bus.ask(_PATH, _MANAGER, _CALLS[verb], "ss", [unit, "replace"])
        while job not in ended:
            await news.wait()
            news.clear()
        if ended[job] not in ("done", "skipped"):
            raise UnitError(f"its job ended with '{ended[job]}'.")


async def _state(bus: "_Connection", unit: str) -> UnitState:
    path = await bus.ask(_PATH, _MANAGER, "LoadUnit", "s", [unit])
    every = await bus.ask(path, f"{_BUS}.Properties", "GetAll", "s", [""])
    said = {name: variant.value for name, variant in every.items()}
    return UnitState(
        load=said.get("LoadState", ""),
        active=said.get("ActiveState", ""),
        sub=said.get("SubState", ""),
        result=said.get("Result", ""),
        kind=said.get("Type", ""),
        invocation=bytes(said.get("InvocationID", b"")).hex(),
        control_group=said.get("ControlGroup", ""),
        names=frozenset(said.get("Names", ())),
    )


class _Connection:
    """A connection to the bus that a systemd is on."""

    def __init__(self, manager: Manager) -> None:
        try:
            self._dbus: Any = require("dbus_fast", "systemd")
            aio: Any = require("dbus_fast.aio", "systemd")
        except MissingExtra as missing:
            raise NoBusError(str(missing)) from None
        kind = self._dbus.BusType.SYSTEM if manager is Manager.SYSTEM else self._dbus.BusType.SESSION
        address = _session_address() if manager is Manager.USER else None
        try:
            self._bus = aio.MessageBus(bus_address=address, bus_type=kind)
        except (OSError, self._dbus.InvalidAddressError) as error:
            raise NoBusError(f"the bus cannot be reached: {error}") from None

    async def __aenter__(self) -> "_Connection":
        try:
            await asyncio.wait_for(self._bus.connect(), _CONNECT_SECONDS)
        except (OSError, EOFError, TimeoutError, self._dbus.AuthError, self._dbus.InvalidAddressError) as error:
            self._bus.disconnect()
            raise NoBusError(f"the bus cannot be reached: {error or type(error).__name__}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        self._bus.disconnect()
        with suppress(OSError, EOFError, asyncio.CancelledError):
            await self._bus.wait_for_disconnect()

    def hear(self, listener: Callable[[Any], None]) -> None:
        """Let somebody hear every signal."""
        self._bus.add_message_handler(listener)

    async def ask(
        self, path: str, interface: str, member: str, signature: str, body: list[str], *, to: str = _NAME
    ) -> Any:
        """Call a method and return the first value of its answer.

        Raises:
            NoBusError: no systemd is on this bus.
            NotAllowedError: we may not.
            UnitError: it answers with another error.
        """
        message = self._dbus.Message(to, path, interface, member, signature=signature, body=body)
        try:
            reply = await self._bus.call(message)
        except (OSError, EOFError) as error:
            raise UnitError(f"the bus was lost: {error} ({type(error).__name__})") from None
        if reply is None or reply.message_type is not self._dbus.MessageType.ERROR:
            return reply.body[0] if reply is not None and reply.body else None
        said = str(reply.body[0]) if reply.body else str(reply.error_name)
        name = str(reply.error_name).rpartition(".")[2]
        if name in ("ServiceUnknown", "NameHasNoOwner"):
            raise NoBusError(f"no systemd is on the bus: {said}")
        raise (NotAllowedError if name in _FORBIDDEN else UnitError)(said)


def _session_address() -> str | None:
    """Return where the bus of our user is; None lets the library look."""
    if "DBUS_SESSION_BUS_ADDRESS" in os.environ:
        return os.environ["DBUS_SESSION_BUS_ADDRESS"]
    folder = os.environ.get("XDG_RUNTIME_DIR") or f"/run/user/{os.geteuid()}"
    return f"unix:path={folder}/bus"
