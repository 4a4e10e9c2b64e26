"""What a service must be let through to, derived from its configuration and from nothing else."""

import grp
import os
import stat
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from bridge.actions.base import Action
from bridge.policy.remediation import Policy
from exporters.config import ExporterConfig

_OTHERS_MAY_READ = stat.S_IROTH
_PRIVATE = (Path("/tmp"), Path("/var/tmp"))  # noqa: S108 - what `PrivateTmp=` replaces


@dataclass(frozen=True)
class Needs:
    """What is opened in the unit's confinement."""

    writes: tuple[Path, ...] = ()
    """Folders to write in, each as `ReadWritePaths=`."""
    capabilities: tuple[str, ...] = ()
    """`AmbientCapabilities=`, and no other can be had."""
    groups: tuple[str, ...] = ()
    """`SupplementaryGroups=`."""

    def with_also(self, other: "Needs", *writes: Path) -> "Needs":
        """Return what is needed for both, and some folders to write in."""
        return Needs(
            tuple(dict.fromkeys([*self.writes, *other.writes, *writes])),
            tuple(sorted({*self.capabilities, *other.capabilities})),
            tuple(sorted({*self.groups, *other.groups})),
        )

    def private(self) -> list[Path]:
        """Return the folders that `PrivateTmp=` would put an empty one in place of."""
        return [folder for folder in self.writes if any(folder.is_relative_to(each) for each in _PRIVATE)]


def of_bridge(policy: Policy) -> Needs:
    """Derive what the bridge needs from `allow:`, and from the actions that its remediations use."""
    actions: set[type[Action]] = {step.kind for remediation in policy.remediations for step in remediation.steps}
    roots = policy.settings.allow.roots
    return Needs(
        tuple(dict.fromkeys([*roots, policy.ledger_file.parent])),
        tuple(sorted({name for action in actions for name in action.capabilities})),
        tuple(sorted({name for action in actions for name in action.groups} | set(_writers(roots)))),
    )


def of_exporter(config: ExporterConfig) -> Needs:
    """Derive what the exporter needs from its sources and its checks; it writes nothing but its state."""
    logs = chain.from_iterable(Path("/").glob(source.path[1:]) for source in config.log_sources if source.path)
    groups = {name for check in config.checks for name in check.groups} | set(_readers(logs))
    return Needs((config.state.absolute().parent,), (), tuple(sorted(groups)))


def _readers(files: Iterable[Path]) -> Iterator[str]:
    """Yield the groups that may read what not everybody may read."""
    for file in files:
        found = _status(file)
        if found is not None and found.st_mode & stat.S_IRGRP and not found.st_mode & _OTHERS_MAY_READ:
            yield from _named(found.st_gid)


def _writers(folders: Iterable[Path]) -> Iterator[str]:
    """Yield the groups that may write in folders."""
    for folder in folders:
        found = _status(folder)
        if found is not None and found.st_mode & stat.S_IWGRP:
            yield from _named(found.st_gid)


def _status(file: Path) -> os.stat_result | None:
    try:
        return file.stat()
    except OSError:
        return None


def _named(gid: int) -> Iterator[str]:
    """Yield the name of a group that is not root's: being in that one is never derived."""
    if gid != 0:
        try:
            yield grp.getgrgid(gid).gr_name
        except KeyError:
            return
