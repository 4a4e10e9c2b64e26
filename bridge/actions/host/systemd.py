"""systemd: over D-Bus, else through `systemctl`, and what we may not do once more through `sudo -n`."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from bridge.actions.base import StepContext
from bridge.actions.host.systemctl import Systemctl
from bridge.actions.host.systemd_bus import NoBusError, SystemdBus
from bridge.actions.host.units import Manager, NotAllowedError, UnitState, Verb


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
        try:
            return SystemdBus(self.context, self.manager).state(unit)
        except NoBusError:
            return Systemctl(self.context, self.manager).state(unit)

    def do(self, verb: Verb, unit: str) -> None:
        """Do it, and wait for systemd's job to end.

        Raises:
            NotAllowedError: nobody lets us.
            UnitError: it failed, and what systemd says.
            StepError: systemd cannot be asked, or the step's time is up.
        """
        try:
            self._do(verb, unit)
        except NotAllowedError as refused:
            try:
                self._with_sudo(verb, unit)
            except NotAllowedError:
                raise NotAllowedError(
                    f"we are not allowed to {verb} {unit} ({refused}): the polkit rule that `remedy polkit` writes,"
                    " or root, is needed",
                    exit_code=refused.exit_code,
                ) from None

    def _do(self, verb: Verb, unit: str) -> None:
        try:
            SystemdBus(self.context, self.manager).do(verb, unit)
        except NoBusError as why:
            self.context.output.say(f"not asked over D-Bus, but with systemctl: {why}")
            Systemctl(self.context, self.manager).do(verb, unit)

    def _with_sudo(self, verb: Verb, unit: str) -> None:
        if self.manager is not Manager.SYSTEM or shutil.which("sudo") is None:
            raise NotAllowedError("there is no other way")
        Systemctl(self.context, self.manager).do(verb, unit, with_sudo=True)
        self.context.output.say("asked through sudo -n")


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
