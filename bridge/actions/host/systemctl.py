"""systemd through its own command, where it cannot be asked over D-Bus, and through `sudo -n`, which no bus can do."""

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bridge.actions.base import Output, StepContext, StepError
from bridge.actions.host.children import BASE_ENV, run_program
from bridge.actions.host.units import Manager, NotAllowedError, UnitError, UnitState, Verb

_PROPERTIES = "LoadState,ActiveState,SubState,Result,Type,InvocationID,ControlGroup,Names"
_FORBIDDEN = ("access denied", "authentication required", "not permitted", "permission denied", "sudo:")


@dataclass(frozen=True)
class Systemctl:
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

    def do(self, verb: Verb, unit: str, *, with_sudo: bool = False) -> None:
        """Do it, and wait for systemd's job to end.

        Raises:
            NotAllowedError: we may not.
            UnitError: it failed.
            StepError: systemd cannot be asked.
        """
        code, text = self._call([verb, "--", unit], before=["sudo", "-n"] if with_sudo else [])
        if not code:
            return
        forbidden = any(sign in text.lower() for sign in _FORBIDDEN)
        raise (NotAllowedError if forbidden else UnitError)(_one_line(text), exit_code=code)

    def _call(self, arguments: list[str], before: Sequence[str] = ()) -> tuple[int, str]:
        said = Output()
        program = shutil.which("systemctl", path=BASE_ENV["PATH"])
        if program is None:
            raise StepError("there is no systemctl on this machine")
        options = [f"--{self.manager}", "--no-ask-password", "--no-pager"]
        code = run_program([*before, program, *options, *arguments], self.context, output=said, env=self._env())
        text = said.text()
        if code:
            self.context.output.say(text.strip())
        return code, text

    def _env(self) -> dict[str, str]:
        asked = ("XDG_RUNTIME_DIR", "DBUS_SESSION_BUS_ADDRESS") if self.manager is Manager.USER else ()
        return {**BASE_ENV, "LC_ALL": "C.UTF-8", **{name: os.environ[name] for name in asked if name in os.environ}}


def _one_line(text: str) -> str:
    lines = [line for line in text.strip().splitlines() if line.strip()]
    return lines[0] if lines else "it says nothing"
