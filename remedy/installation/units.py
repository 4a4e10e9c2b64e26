"""The units as they are installed: the shipped one with this program and configuration, and a drop-in beside it."""

import re
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from remedy.config.shipped import shipped
from remedy.installation.needs import Needs

_EXEC = re.compile(r"^ExecStart=/opt/remedy/bin/remedy (?P<command>.*?)(?: --config \S+)+$", re.MULTILINE)
_DROP_IN = "10-configuration.conf"


class Service(StrEnum):
    """What can be installed."""

    BRIDGE = "bridge"
    EXPORTER = "exporter"
    RUN = "run"
    ONCE = "once"
    """One cycle of `remedy run` at each time of its timer."""

    @property
    def unit(self) -> str:
        """The unit's name."""
        return f"remedy-{self}.service"

    @property
    def begun_by(self) -> str:
        """The unit to enable."""
        return "remedy-once.timer" if self is Service.ONCE else self.unit


@dataclass(frozen=True)
class Placed:
    """One file to write."""

    path: Path
    text: str


def files(
    service: Service, program: Path, configs: tuple[Path, ...], needs: Needs, *, shared_tmp: bool
) -> list[Placed]:
    """Return the files of a service, their paths below the root of a file system.

    Raises:
        NotShippedError: the shipped units are not there.
    """
    folder = shipped("deploy/systemd")
    unit = (folder / service.unit).read_text(encoding="utf-8")
    options = " ".join(f"--config {_word(str(config))}" for config in configs)
    unit = _EXEC.sub(lambda found: f"ExecStart={_word(str(program))} {found['command']} {options}", unit)
    systemd = Path("etc/systemd/system")
    timer = service.begun_by if service.begun_by != service.unit else None
    return [
        Placed(systemd / service.unit, unit),
        *([Placed(systemd / timer, (folder / timer).read_text(encoding="utf-8"))] if timer else []),
        Placed(systemd / f"{service.unit}.d" / _DROP_IN, _drop_in(configs, needs, shared_tmp=shared_tmp)),
        Placed(Path("etc/sysusers.d/remedy.conf"), (folder / "remedy.sysusers.conf").read_text(encoding="utf-8")),
        Placed(Path("etc/tmpfiles.d/remedy.conf"), (folder / "remedy.tmpfiles.conf").read_text(encoding="utf-8")),
    ]


def _drop_in(configs: tuple[Path, ...], needs: Needs, *, shared_tmp: bool) -> str:
    """Write what the configuration needs, and no more."""
    lines = [
        f"# Derived from {', '.join(map(str, configs))}: `remedy install-service` writes it anew when that changes.",
        "[Service]",
        *(f"ReadWritePaths={_word(f'-{folder}')}" for folder in needs.writes),
    ]
    if needs.capabilities:
        names = " ".join(needs.capabilities)
        lines += [f"AmbientCapabilities={names}", f"CapabilityBoundingSet={names}"]
    if needs.groups:
        lines.append(f"SupplementaryGroups={' '.join(needs.groups)}")
    if shared_tmp:
        lines.append("PrivateTmp=false")
    return "\n".join([*lines, ""])


def _word(text: str) -> str:
    """Write a word as systemd.syntax(7) reads it: `%` begins a specifier, and blanks would end it."""
    text = text.replace("%", "%%")
    if re.fullmatch(r"[A-Za-z0-9_./%:@+,=-]+", text):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
