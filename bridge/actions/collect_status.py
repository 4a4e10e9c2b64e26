"""Write down how things are, before anything is changed."""

import os
from collections.abc import Callable, Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Annotated, ClassVar

import psutil
from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.children import run_program
from bridge.actions.host.fields import AbsolutePath, Port, UnitName
from bridge.actions.host.folders import opened_file, place, place_refusal
from bridge.actions.host.matching import Expected, listeners, matching
from bridge.actions.host.sizes import spell_size
from bridge.actions.host.systemd import Systemd
from bridge.actions.host.units import Manager
from remedy.config.durations import Duration

_TAIL_BYTES = 256 * 1024
_JOURNALCTL = Path("/usr/bin/journalctl")


class CollectStatus(Action):
    """Write down into the run how things are: load, memory, disks, a unit, processes, ports, log lines, the journal.

    **Changes** nothing. **Needs** log files in `allow.roots`; everything else is read where it may be. **Idempotent**:
    yes. **Backed up**: nothing. What cannot be had is named and does not fail the step: put it first.

    Example:
        - collect_status: {unit: itsm-nexus.service, ports: [5100], log_files: [/var/log/itsm/app.log]}
    """

    idempotent: ClassVar[bool] = True

    unit: UnitName | None = None
    """A unit: its state, and its journal."""
    manager: Manager = Manager.SYSTEM
    """Whose unit: the machine's (`system`), or that of the bridge's user (`user`)."""
    processes: Expected | None = None
    """Processes: `name` or `command_line` (a regular expression), and `user`."""
    ports: tuple[Port, ...] = ()
    """TCP ports: who listens there."""
    paths: tuple[AbsolutePath, ...] = (Path("/"),)
    """Paths on the disks to look at."""
    log_files: tuple[AbsolutePath, ...] = ()
    """Log files, inside allowed roots: their last lines."""
    lines: Annotated[int, Field(ge=1, le=1000)] = 100
    """How many of the last lines of each log."""
    journal: Duration = timedelta(minutes=10)
    """How far back the unit's journal is read."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the log files that no root holds."""
        for file in self.log_files:
            why = place_refusal(file, allow)
            if why:
                yield "log_files", why

    def plan(self, context: StepContext) -> str:
        """Say what is looked at."""
        del context
        return "write down " + ", ".join(title for title, _ in self._parts())

    def run(self, context: StepContext) -> str:
        """Look, and write it down."""
        missing = []
        for title, part in self._parts():
            context.output.say(f"== {title}")
            try:
                for line in part(context):
                    context.output.say(line)
            except StepRefusedError:
                raise
            except (StepError, OSError, psutil.Error) as error:
                context.remaining()
                context.output.say(f"(cannot be had: {error})")
                missing.append(title)
        return "wrote down how things are" + (f", except {', '.join(missing)}" if missing else "")

    def _parts(self) -> Iterator[tuple[str, Callable[[StepContext], Iterator[str]]]]:
        yield "load and memory", _load
        yield "disks", self._disks
        if self.unit is not None:
            yield f"unit {self.unit}", self._unit
        if self.processes is not None:
            yield f"processes with {self.processes}", self._processes
        if self.ports:
            yield "ports", self._ports
        for file in self.log_files:
            yield f"last lines of {file}", partial(self._tail, file)
        if self.unit is not None:
            yield f"journal of {self.unit}", self._journal

    def _disks(self, context: StepContext) -> Iterator[str]:
        del context
        for path in self.paths:
            usage = psutil.disk_usage(str(path))
            yield f"{path}: {usage.percent:.0f} % used, {spell_size(usage.free)} of {spell_size(usage.total)} free"

    def _unit(self, context: StepContext) -> Iterator[str]:
        yield f"{self.unit} is {Systemd(context, self.manager).state(str(self.unit))}"

    def _processes(self, context: StepContext) -> Iterator[str]:
        del context
        if self.processes is None:
            return
        with matching(self.processes) as found:
            yield from (f"{process}, {_memory(process.pid)}" for process in found[:50])
            yield f"{len(found)} found"

    def _ports(self, context: StepContext) -> Iterator[str]:
        del context
        for port in self.ports:
            pids = sorted(str(pid or "unseen") for pid in listeners(port))
            yield f"port {port}: {'process ' + ', '.join(pids) if pids else 'nobody listens'}"

    def _tail(self, file: Path, context: StepContext) -> Iterator[str]:
        with opened_file(place(file, context.allow)) as descriptor:
            size = os.fstat(descriptor).st_size
            text = os.pread(descriptor, _TAIL_BYTES, max(0, size - _TAIL_BYTES)).decode("utf-8", "replace")
        yield from text.splitlines()[-self.lines :]

    def _journal(self, context: StepContext) -> Iterator[str]:
        since = f"--since=-{int(self.journal.total_seconds())}s"
        which = "--user-unit" if self.manager is Manager.USER else "--unit"
        arguments = [f"{which}={self.unit}", since, "--lines=1000", "--no-pager", "--quiet", "--output=short-iso"]
        if run_program([_JOURNALCTL, *arguments], context):
            raise StepError("journalctl failed")
        yield from ()


def _load(context: StepContext) -> Iterator[str]:
    del context
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    yield f"load {', '.join(f'{value:.2f}' for value in psutil.getloadavg())} on {psutil.cpu_count()} cores"
    yield f"memory {memory.percent:.0f} % used, {spell_size(memory.available)} available"
    yield f"swap {swap.percent:.0f} % used"


def _memory(pid: int) -> str:
    try:
        return spell_size(psutil.Process(pid).memory_info().rss)
    except psutil.Error:
        return "ended meanwhile"
