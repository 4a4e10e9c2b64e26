"""Which processes are meant: by name, command line and user; and who listens on a port."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Annotated, Self

import psutil
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints, model_validator

from bridge.actions.base import StepError
from bridge.actions.host.fields import Text, UserName
from bridge.actions.host.processes import Process, hold, untouchable
from remedy.config.expressions import Expression


def regex(text: str) -> str:
    """Return a regular expression that can be compiled.

    Raises:
        ValueError: it cannot.
    """
    try:
        Expression.of(text)
    except ValueError as error:
        raise ValueError(f"'{text}' is not a regular expression: {error}") from None
    return text


Regex = Annotated[Text, AfterValidator(regex)]
ProcessName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.@:+()-]+$", max_length=64)]


class Expected(BaseModel):
    """What a process must look like to be the one meant; everything that is given must hold."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: ProcessName | None = None
    """Its name, as `ps -o comm` shows it."""
    command_line: Regex | None = None
    """A regular expression that is found in its command line."""
    user: UserName | None = None
    """The user that it runs as."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.name is None and self.command_line is None:
            raise ValueError("name or command_line must be given: a user alone is no description")
        return self

    def __str__(self) -> str:
        told = {"name": self.name, "command line": self.command_line, "user": self.user}
        return ", ".join(f"{key} '{value}'" for key, value in told.items() if value is not None)

    def fits(self, process: Process) -> bool:
        """Tell whether a process looks like this."""
        return (
            self.name in (None, process.name)
            and self.user in (None, process.user)
            and (self.command_line is None or Expression.of(self.command_line).found_in(" ".join(process.command_line)))
        )


@contextmanager
def matching(expected: Expected) -> Iterator[list[Process]]:
    """Hold the processes that look like this; those that must never be signalled are none of them."""
    with ExitStack() as kept:
        found = []
        for pid in psutil.pids():
            process = hold(pid)
            if process is None:
                continue
            if expected.fits(process) and untouchable(process) is None:
                found.append(kept.enter_context(process))
            else:
                process.close()
        yield found


def listeners(port: int) -> set[int | None]:
    """Return the pids of those who listen on a TCP port, on any address; None stands for one that we may not see.

    Raises:
        StepError: the kernel does not tell.
    """
    try:
        sockets = psutil.net_connections(kind="tcp")
    except (psutil.Error, OSError) as error:
        raise StepError(f"the sockets of this machine cannot be listed: {error}") from None
    return {
        socket.pid
        for socket in sockets
        if socket.status == psutil.CONN_LISTEN and socket.laddr and socket.laddr.port == port
    }
