"""Where the daemon's relative paths lead, what it may touch there, and what else it took from its surroundings."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bridge.actions.base import Allow
from bridge.actions.host.folders import place_refusal

STATE_FOLDER = ".remedy"
_VARIABLE = re.compile(r"\$(?:(\w+)|\{(\w+)\})", re.ASCII)


@dataclass(frozen=True)
class Place:
    """One installation."""

    config: Path
    base: Path
    """Relative paths resolve below it; it is an allowed root."""
    log_file: Path
    """Where we log ourselves; never a source."""
    allow: Allow = field(default_factory=Allow)
    """What steps may touch, the base included."""
    notifiers: frozenset[str] = frozenset()
    """The notifiers that remediation.yml names."""
    environment: Mapping[str, str] = field(default_factory=dict)
    extra: str = "remediation.yml"
    """The file in which a person allows more, as messages name it."""

    def path(self, text: str) -> Path:
        """Resolve a path of the file, without looking at the disk; `~` and `$NAME` stand for what they do in a shell.

        Raises:
            ValueError: a variable is not set, or there is no such home.
        """
        spelt = _VARIABLE.sub(self._variable, text)
        try:
            return Path(os.path.normpath(self.base / Path(spelt).expanduser()))
        except RuntimeError:
            raise ValueError(f"{text!r} begins with the home of nobody here") from None

    def _variable(self, found: re.Match[str]) -> str:
        name = found[1] or found[2]
        if name not in self.environment:
            raise ValueError(f"the variable {name} is not set")
        return self.environment[name]

    @property
    def state(self) -> Path:
        """The folder of the ledger and of the log positions."""
        systemd = self.environment.get("STATE_DIRECTORY", "").partition(":")[0]
        return Path(systemd) if systemd else self.base / STATE_FOLDER

    @property
    def alerts_log(self) -> Path:
        """Where people are told in one JSON line each, beside our log."""
        return self.log_file.with_name("alerts.log")

    @property
    def own_logs(self) -> tuple[Path, ...]:
        """The files that we write ourselves."""
        return self.log_file, self.alerts_log

    def is_own_log(self, path: Path) -> bool:
        """Tell whether a path leads to a file that we write ourselves."""
        return bool({path, path.resolve()} & {*self.own_logs, *(own.resolve() for own in self.own_logs)})

    def holds_ours(self, folder: Path) -> bool:
        """Tell whether a folder holds the whole application, the configuration or our own state."""
        ours = (self.base, self.config.parent, self.config.resolve().parent, self.state)
        return any(each.is_relative_to(way) for each in ours for way in (folder, folder.resolve()))

    def outside(self, path: Path) -> bool:
        """Tell whether no allowed root holds a path."""
        return place_refusal(path, self.allow) is not None


def default_base(config: Path) -> Path:
    """Return where the daemon looked for its folders: above the one that holds the configuration."""
    return config.absolute().parent.parent


def allowed(base: Path, given: Any) -> dict[str, Any]:
    """Return what `allow:` of remediation.yml names, with the base as a root unless it is one of the system's."""
    allow = dict(given) if isinstance(given, dict) else {}
    if place_refusal(base / "any", Allow(roots=(base,))) is None:
        allow["roots"] = [str(base), *(root for root in allow.get("roots") or [] if str(root) != str(base))]
    return allow
