"""Free a port."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import ClassVar

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import Port
from bridge.actions.host.matching import Expected, listeners
from bridge.actions.host.processes import Process, hold, stop_surely, untouchable
from remedy.config.durations import Duration

_LOOK_AGAIN_SECONDS = 0.05


class KillProcessOnPort(Action):
    """End the process that listens on a TCP port, if it is the one that is expected to be in the way.

    **Changes**: the process ends: SIGTERM, after `grace` SIGKILL, its children too. **Needs** the port in
    `allow.ports`, and the right to see and signal the process (its user, or CAP_KILL with CAP_SYS_PTRACE).
    **Idempotent**: yes. **Backed up**: nothing.

    Every listener must look like `expect`, else none is touched. A port that is free already is a success.

    Example:
        - kill_process_on_port: {port: 5100, expect: {command_line: "app\\.py", user: itsm}}
    """

    idempotent: ClassVar[bool] = True
    capabilities: ClassVar[frozenset[str]] = frozenset({"CAP_KILL"})

    port: Port
    """The port, of `allow.ports`."""
    expect: Expected
    """What the listener must look like: `name` or `command_line` (a regular expression), and `user`."""
    grace: Duration = timedelta(seconds=10)
    """How long it may take to end."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the port if it is not allowed."""
        if self.port not in allow.ports:
            yield "port", f"{self.port} is not in allow.ports"

    def plan(self, context: StepContext) -> str:
        """Name who would be ended now."""
        del context
        with ExitStack() as kept:
            found = self._held(kept)
            return f"end {', '.join(map(str, found))}" if found else f"nothing: nobody listens on port {self.port}"

    def run(self, context: StepContext) -> str:
        """End it, and see that the port is free."""
        self.refuse(context)
        with ExitStack() as kept:
            found = self._held(kept)
            if not found:
                return f"nobody listens on port {self.port}"
            for process in found:
                if not process.ended():
                    context.output.say(stop_surely(process, context, self.grace.total_seconds()))
        while listeners(self.port):
            context.pause(_LOOK_AGAIN_SECONDS)
        return f"port {self.port} is free: {len(found)} processes were ended"

    def _held(self, kept: ExitStack) -> list[Process]:
        """Hold the listeners; each still listens after it is held, so its number is not another's.

        Raises:
            StepRefusedError: one of them is not what is expected, or must not be touched.
        """
        pids = listeners(self.port)
        if None in pids:
            raise StepError(f"somebody listens on port {self.port}, but we may not see who (CAP_SYS_PTRACE is needed)")
        held = [kept.enter_context(process) for pid in pids if pid and (process := hold(pid))]
        still = listeners(self.port)
        for process in held:
            if process.pid in still and not self.expect.fits(process):
                raise StepRefusedError(f"{process} listens on port {self.port}, but its {self.expect} was expected")
            if why := untouchable(process):
                raise StepRefusedError(f"{process} listens on port {self.port}, but {why}")
        return [process for process in held if process.pid in still]
