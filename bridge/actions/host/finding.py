"""Finds the one process of a service where no pid file names it: by the port that it listens on, or by its looks."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

import psutil

from bridge.actions.base import StepError, StepRefusedError
from bridge.actions.host.matching import listeners
from bridge.actions.host.processes import Process, hold, untouchable

IsMeant = Callable[[Process], bool]


def by_port(port: int, is_meant: IsMeant) -> Process | None:
    """Hold the process that listens on a port; of a parent and its children that all listen, the parent.

    Raises:
        StepRefusedError: somebody else listens there, or several do.
        StepError: we may not see who.
    """
    pids = listeners(port)
    if None in pids:
        raise StepError(f"somebody listens on port {port}, but we may not see who (CAP_SYS_PTRACE is needed)")
    with ExitStack() as kept:
        found = list(_held(kept, (pid for pid in pids if pid)))
        still = listeners(port)
        for process in found:
            if process.pid in still and not is_meant(process):
                raise StepRefusedError(f"{process} listens on port {port}, and is not the one meant")
        return _outermost([process for process in found if process.pid in still], f"listen on port {port}", kept)


def by_looks(is_meant: IsMeant) -> Process | None:
    """Hold the process that looks like the one meant; of a parent and its children that all do, the parent.

    Raises:
        StepRefusedError: there are several.
    """
    with ExitStack() as kept:
        found = [process for process in _held(kept, psutil.pids()) if is_meant(process) and not untouchable(process)]
        return _outermost(found, "look like it", kept)


def _held(kept: ExitStack, pids: Iterable[int]) -> Iterator[Process]:
    for pid in pids:
        process = hold(pid)
        if process is not None:
            yield kept.enter_context(process)


def _outermost(found: list[Process], what: str, kept: ExitStack) -> Process | None:
    """Choose the one that no other one found is a parent of; it stays held when `kept` lets go of the others."""
    pids = {process.pid for process in found}
    outer = [process for process in found if process.parent not in pids]
    if len(outer) > 1:
        named = ", ".join(map(str, outer[:3]))
        raise StepRefusedError(f"{len(outer)} processes {what} ({named}): name a pid_file, or say more")
    if not outer:
        return None
    for process in found:
        if process is not outer[0]:
            process.close()
    kept.pop_all()
    return outer[0]
