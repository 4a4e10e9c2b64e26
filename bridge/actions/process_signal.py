"""Send a signal to processes."""

import signal
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.matching import Expected, matching
from bridge.actions.host.processes import Process, stop_surely
from remedy.config.durations import Duration


class SignalName(StrEnum):
    """Signals that make sense for a fix."""

    HUP = "HUP"
    INT = "INT"
    USR1 = "USR1"
    USR2 = "USR2"
    TERM = "TERM"
    KILL = "KILL"
    CONT = "CONT"


class ProcessSignal(Action):
    """Send a signal to the processes of a name, a command line, a user.

    **Changes** what the signal changes. **Needs** the name of each process in `allow.processes`, and the right to
    signal it (its user, or CAP_KILL). **Idempotent**: no. **Backed up**: nothing.

    Nothing is sent unless all that is found is allowed, and no more than `most`; nothing found is a failure. Pid 1,
    kernel threads, the bridge and its parents are never signalled. Processes are held by a pidfd, so that no other one
    which got the number is hit. With `TERM`, what has not ended after `grace` gets SIGKILL, its children too.

    Example:
        - process_signal: {processes: {name: nginx, user: root}, signal: HUP}
    """

    idempotent: ClassVar[bool] = False
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_KILL"})

    processes: Expected
    """Which ones: `name` or `command_line` (a regular expression), and `user`."""
    signal: SignalName = SignalName.TERM
    """`HUP`, `INT`, `USR1`, `USR2`, `TERM`, `KILL` or `CONT`."""
    grace: Duration = timedelta(seconds=10)
    """With `TERM`: how long they may take to end."""
    most: Annotated[int, Field(ge=1, le=1000)] = 10
    """If more are found, none is signalled."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the name that is not allowed."""
        if not allow.processes:
            yield "processes", "allow.processes names no process"
        if self.processes.name is not None and self.processes.name not in allow.processes:
            yield "processes.name", f"'{self.processes.name}' is not in allow.processes"

    def plan(self, context: StepContext) -> str:
        """Name who would get it now."""
        del context
        with matching(self.processes) as found:
            named = ", ".join(map(str, found[: self.most])) or "nobody, since none is found"
            return f"send SIG{self.signal} to {named}"

    def run(self, context: StepContext) -> str:
        """Send it."""
        self.refuse(context)
        with matching(self.processes) as found:
            self._check(found, context.allow)
            for process in found:
                context.output.say(self._signal(process, context))
            return f"sent SIG{self.signal} to {len(found)} processes"

    def _check(self, found: list[Process], allow: Allow) -> None:
        if not found:
            raise StepError(f"there is no process with {self.processes}")
        if len(found) > self.most:
            raise StepRefusedError(f"{len(found)} processes have {self.processes}, more than {self.most}")
        for process in found:
            if process.name not in allow.processes:
                raise StepRefusedError(f"{process}: its name '{process.name}' is not in allow.processes")

    def _signal(self, process: Process, context: StepContext) -> str:
        if self.signal is SignalName.TERM:
            if process.ended():
                return f"{process} has ended meanwhile"
            return stop_surely(process, context, self.grace.total_seconds())
        process.signal(signal.Signals[f"SIG{self.signal}"])
        return f"{process} got SIG{self.signal}"
