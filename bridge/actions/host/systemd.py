"""systemd through `systemctl`: the state of a unit, and the five things to do with one."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from bridge.actions.base import Output, StepContext, StepError
from bridge.actions.host.children import BASE_ENV, run_program


class Manager(StrEnum):
    """Which systemd: the machine's, or that of the bridge's own user."""

    SYSTEM = "system"
    USER = "user"


class Verb(StrEnum):
    """What to do with a unit."""

    RESTART = "restart"
    START = "start"
    STOP = "stop"
    RELOAD = "reload"
    RESET_FAILED = "reset-failed"


@dataclass(frozen=True)
class UnitState:
    """What `systemctl show` says of a unit; the words are systemd's."""

    load: str
    active: str
    sub: str
    result: str
    kind: str
    """`Type=` of a service: `simple`, `notify`, `oneshot` …"""
    invocation: str
    """Another one with each start."""
    control_group: str
    names: frozenset[str]

    def __str__(self) -> str:
        result = f", result {self.result}" if self.result not in ("", "success") else ""
        return f"{self.active} ({self.sub}{result})"


_PROPERTIES = "LoadState,ActiveState,SubState,Result,Type,InvocationID,ControlGroup,Names"
_FORBIDDEN = ("access denied", "authentication required", "not permitted", "permission denied")


@dataclass(frozen=True)
class Systemd:
    """One systemd, asked in one step's context."""

    context: StepContext
    manager: Manager

    def state(self, unit: str) -> UnitState:
        """Ask how a unit is.

        Raises:
            StepError: systemd cannot be asked.
        """
        code, text = self._call(["show", f"--property={_PROPERTIES}", "--", unit])
        if code:
            raise StepError(f"systemd cannot be asked: {_one_line(text)}", exit_code=code)
        said: Mapping[str, str] = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
        return UnitState(
            load=said.get("LoadState", ""),
            active=said.get("ActiveState", ""),
            sub=said.get("SubState", ""),
            result=said.get("Result", ""),
            kind=said.get("Type", ""),
            invocation=said.get("InvocationID", ""),
            control_group=said.get("ControlGroup", ""),
            names=frozenset(said.get("Names", "").split()),
        )

    def do(self, verb: Verb, unit: str) -> tuple[int, str]:
        """Do it, wait for systemd's job to end and return the exit code and the last line of what was said.

        What we are not allowed to do is tried once more through `sudo -n`, where there is one.

        Raises:
            StepError: nobody lets us; or the step's time is up.
        """
        code, text = self._call([verb, "--", unit])
        if code and _is_forbidden(text):
            if self.manager is Manager.SYSTEM and shutil.which("sudo"):
                code, text = self._call([verb, "--", unit], before=["sudo", "-n"])
                self.context.output.say("asked through sudo -n")
            if code and (_is_forbidden(text) or "sudo:" in text):
                raise StepError(
                    f"we are not allowed to {verb} {unit}: a polkit rule such as deploy/ holds, or root, is needed",
                    exit_code=code,
                )
        return code, _one_line(text)

    def _call(self, arguments: list[str], before: list[str] | None = None) -> tuple[int, str]:
        said = Output()
        program = shutil.which("systemctl", path=BASE_ENV["PATH"])
        if program is None:
            raise StepError("there is no systemctl on this machine")
        options = [f"--{self.manager}", "--no-ask-password", "--no-pager"]
        code = run_program([*(before or []), program, *options, *arguments], self.context, output=said, env=self._env())
        text = said.text()
        if code:
            self.context.output.say(text.strip())
        return code, text

    def _env(self) -> dict[str, str]:
        asked = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if self.manager is Manager.USER else ()
        return {**BASE_ENV, "LC_ALL": "C.UTF-8", **{name: os.environ[name] for name in asked if name in os.environ}}


def _is_forbidden(text: str) -> bool:
    return any(sign in text.lower() for sign in _FORBIDDEN)


def _one_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[0] if lines else "it says nothing"


def own_units(cgroup: str | None = None) -> frozenset[str]:
    """Name the units that we run in, from the innermost slice or service outwards."""
    text = Path("/proc/self/cgroup").read_text(encoding="utf-8") if cgroup is None else cgroup
    return frozenset(
        part
        for line in text.splitlines()
        for part in line.split(":", 2)[-1].split("/")
        if part.endswith((".service", ".scope", ".slice"))
    )


def runs_us(state: UnitState) -> bool:
    """Tell whether we run inside this unit."""
    ours = {line.split(":", 2)[-1] for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines()}
    group = state.control_group.rstrip("/")
    inside = bool(group) and any(own == group or own.startswith(f"{group}/") for own in ours)
    return inside or not state.names.isdisjoint(own_units())
