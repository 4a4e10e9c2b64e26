"""A service that is a program of supervisord, asked over its own XML-RPC."""

import http.client
import socket
import xmlrpc.client
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, StringConstraints

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.http import secret_line
from bridge.actions.host.processes import hold, untouchable

_NOT_RUNNING, _BAD_NAME, _ALREADY_STARTED = 70, 10, 60


class ProgramState(StrEnum):
    """supervisord's own words."""

    STOPPED = "STOPPED"
    STARTING = "STARTING"
    RUNNING = "RUNNING"
    BACKOFF = "BACKOFF"
    STOPPING = "STOPPING"
    EXITED = "EXITED"
    FATAL = "FATAL"
    UNKNOWN = "UNKNOWN"


@dataclass(frozen=True)
class ProgramInfo:
    """How a program is."""

    state: ProgramState
    pid: int
    started: int
    """Unix seconds, by supervisord's clock."""
    said: str

    def __str__(self) -> str:
        return f"{self.state} ({self.said})" if self.said else str(self.state)


class SupervisedProgram(BaseModel):
    """Which program of which supervisord."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    program: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.:-]*$", max_length=255)]
    """Its name (`group:name` in a group), of `allow.units`."""
    url: Annotated[Text, StringConstraints(pattern=r"^(unix:///|http://(127\.0\.0\.1|localhost|\[::1\]):)")] = (
        "unix:///run/supervisor.sock"
    )
    """supervisord's socket, as in supervisorctl's `serverurl`; HTTP on this machine only."""
    username: Text | None = None
    """Who we are to supervisord, if it asks."""
    password_file: AbsolutePath | None = None
    """A secret file with the password."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield (field, why) for what is forbidden."""
        if self.program not in allow.units:
            yield "program", f"'{self.program}' is not in allow.units"

    def info(self, context: StepContext) -> ProgramInfo:
        """Ask how it is.

        Raises:
            StepError: there is no such program, or supervisord cannot be asked.
        """
        found = self._call(context, "getProcessInfo")
        state = ProgramState(found["statename"])
        return ProgramInfo(state, int(found["pid"]), int(found["start"]), str(found["spawnerr"]))

    def refuse_our_own(self, context: StepContext) -> None:
        """Stop here where the bridge runs in this program.

        Raises:
            StepRefusedError: it does.
        """
        process = hold(self.info(context).pid)
        if process is None:
            return
        with process:
            if why := untouchable(process):
                raise StepRefusedError(f"{self.program} is {process}, and {why}")

    def stop(self, context: StepContext) -> None:
        """Stop it and wait for that; one that does not run is a success."""
        self._call(context, "stopProcess", True, fine=_NOT_RUNNING)

    def start(self, context: StepContext) -> None:
        """Start it, and wait until supervisord says that it runs (`startsecs`); one that runs is a success."""
        self._call(context, "startProcess", True, fine=_ALREADY_STARTED)

    def stays_up(self, context: StepContext, settle: float) -> ProgramInfo:
        """See that it runs, and that it is the same start after `settle` seconds.

        Raises:
            StepError: it does not.
        """
        first = self.info(context)
        context.pause(settle)
        last = self.info(context)
        if last.state is not ProgramState.RUNNING:
            raise StepError(f"{self.program} did not stay up: it is {last}")
        if last.pid != first.pid:
            raise StepError(f"{self.program} did not stay up: it was started again by itself")
        return last

    def _call(self, context: StepContext, method: str, *more: bool, fine: int | None = None) -> Any:
        try:
            with (
                closing(self._transport(context)) as way,
                xmlrpc.client.ServerProxy("http://supervisor/RPC2", transport=way) as server,
            ):
                return getattr(server.supervisor, method)(self.program, *more)
        except xmlrpc.client.Fault as fault:
            if fault.faultCode == fine:
                return None
            if fault.faultCode == _BAD_NAME:
                raise StepError(f"supervisord at {self.url} has no program '{self.program}'") from None
            raise StepError(f"supervisord did not {method.removesuffix('Process')} it: {fault.faultString}") from None
        except xmlrpc.client.ProtocolError as error:
            raise StepError(f"supervisord at {self.url} refuses us: {error.errcode} {error.errmsg}") from None
        except TimeoutError:
            context.remaining()
            raise StepError(f"supervisord at {self.url} did not answer in time") from None
        except (OSError, http.client.HTTPException, xmlrpc.client.Error) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            raise StepError(f"supervisord at {self.url} cannot be asked: {why}") from None

    def _transport(self, context: StepContext) -> "_Transport":
        login = ""
        if self.username is not None:
            login = f"{self.username}:{secret_line(self.password_file) if self.password_file else ''}@"
        return _Transport(self.url, login, context.remaining())


class _Transport(xmlrpc.client.Transport):
    """Takes XML-RPC to a socket or to HTTP on this machine, within the step's time; no proxy of the environment."""

    def __init__(self, url: str, login: str, seconds: float) -> None:
        super().__init__()
        self._url, self._login, self._seconds = urlsplit(url), login, seconds

    def make_connection(self, host: Any) -> http.client.HTTPConnection:
        name, self._extra_headers, _ = self.get_host_info(f"{self._login}{host}")
        connection: http.client.HTTPConnection
        if self._url.scheme == "unix":
            connection = _SocketConnection(name, Path(self._url.path), self._seconds)
        else:
            connection = http.client.HTTPConnection(str(self._url.hostname), self._url.port, timeout=self._seconds)
        self._connection = host, connection  # the base class closes it
        return connection


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, host: str, path: Path, seconds: float) -> None:
        super().__init__(host, timeout=seconds)
        self._path = path

    def connect(self) -> None:
        unconnected = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            unconnected.settimeout(self.timeout)
            unconnected.connect(str(self._path))
        except BaseException:
            unconnected.close()
            raise
        self.sock = unconnected
