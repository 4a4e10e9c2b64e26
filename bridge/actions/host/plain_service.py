"""A service that is a plain process: found by pid file, port or looks, stopped surely, started anew on its own."""

import os
import pwd
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from bridge.actions.base import Allow, StepContext, StepError, StepRefusedError
from bridge.actions.host.fields import AbsolutePath, Port, Text
from bridge.actions.host.finding import by_looks, by_port
from bridge.actions.host.folders import place_refusal
from bridge.actions.host.matching import Regex
from bridge.actions.host.processes import Process, hold, recorded_pid, stop_surely
from bridge.actions.host.programs import others_may_write, program_refusal
from bridge.actions.host.starting import Job, start_detached
from bridge.actions.host.surroundings import Surroundings
from remedy.config.durations import Duration
from remedy.config.expressions import Expression

_PID_FILE_BYTES = 64
_CLOCK_SLACK = 2.0
_LOG_TAIL = 2000


class PlainService(Surroundings):
    """How to find, stop and start it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    pid_file: AbsolutePath | None = None
    """Where its process number stands. It is written anew at each start; the service may write it too."""
    port: Port | None = None
    """Without a pid file: the TCP port, of `allow.ports`, on which it listens."""
    argv: Annotated[tuple[Text, ...], Field(min_length=1, max_length=256)]
    """What starts it: a program of `allow.commands`, and its arguments."""
    log_file: AbsolutePath | None = None
    """What it prints is appended here."""
    command_line: Regex | None = None
    """A regular expression found in the command line of the right process; else that must end with `argv`, or, where a
    pid file names it, with the arguments alone, since a script may become another program. Without pid file and port it
    is found by this among the processes of `user`, else of the bridge's user; it must be the only one."""
    grace: Duration = timedelta(seconds=10)
    """How long it may take to end on SIGTERM before it gets SIGKILL."""

    @model_validator(mode="after")
    def _can_be_found(self) -> Self:
        if self.pid_file is None and self.port is None and self.command_line is None:
            raise ValueError("pid_file, port or command_line must be given: how else is it found")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield (field, why) for what is forbidden."""
        why = program_refusal(self.argv[0], allow)
        if why:
            yield "argv", why
        yield from self.surroundings_refusals()
        if self.port is not None and self.port not in allow.ports:
            yield "port", f"{self.port} is not in allow.ports"
        for field, file in (("pid_file", self.pid_file), ("log_file", self.log_file)):
            if file is not None and (why := _unsafe_folder(file, allow)):
                yield field, why

    def running(self, context: StepContext) -> Process | None:
        """Hold its process.

        Raises:
            StepRefusedError: what is found is another one, or there are several.
            StepError: we may not see it.
        """
        if self.pid_file is not None:
            return self._recorded_one(self.pid_file, context)
        return by_looks(self._is_ours) if self.port is None else by_port(self.port, self._is_meant)

    def _recorded_one(self, file: Path, context: StepContext) -> Process | None:
        try:
            text, written = _recorded(file)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StepRefusedError(f"{file} cannot be read: {error.strerror}") from None
        process = hold(recorded_pid(text, file))
        arguments = self.argv[1:]
        if process is None or self._is_meant(process):
            return process
        if self.command_line is None and arguments and process.command_line[-len(arguments) :] == arguments:
            return process
        process.close()
        if process.started > written + _CLOCK_SLACK:
            context.output.say(f"{file} is left over: its number is now that of {process}")
            return None
        raise StepRefusedError(
            f"{file} names {process}, which does not look like {self.argv[0]} (set command_line if it is)"
        )

    def _is_meant(self, process: Process) -> bool:
        if self.command_line is not None:
            return Expression.of(self.command_line).found_in(" ".join(process.command_line))
        return process.command_line[-len(self.argv) :] == self.argv

    def _is_ours(self, process: Process) -> bool:
        user = self.user or pwd.getpwuid(os.geteuid()).pw_name
        return process.user == user and self._is_meant(process)

    def stop(self, context: StepContext) -> str:
        """End it and its children, surely.

        Raises:
            StepError: it could not be ended, or must not be.
        """
        process = self.running(context)
        if process is None:
            return "it was not running"
        with process:
            return stop_surely(process, context, self.grace.total_seconds())

    def start(self, context: StepContext, settle: float) -> str:
        """Start it and see that it stays up for `settle` seconds.

        Raises:
            StepError: it cannot be started, or ends again.
        """
        job = Job(
            self.argv, self.cwd or Path("/"), self.environment(context.output), self.log_file, self.pid_file, self.user
        )
        before = self._log_size()
        process = start_detached(job, context)
        if process is None:
            raise StepError(f"{self.argv[0]} ended at once{self._last_words(before, context)}")
        with process:
            if process.wait(context, settle):
                raise StepError(
                    f"{self.argv[0]} ended within {settle:g} s of its start{self._last_words(before, context)}"
                )
            return f"started as process {process.pid}"

    def _log_size(self) -> int:
        try:
            return self.log_file.stat().st_size if self.log_file else 0
        except OSError:
            return 0

    def _last_words(self, since: int, context: StepContext) -> str:
        if self.log_file is None:
            return ""
        try:
            with self.log_file.open("rb") as log:
                log.seek(max(since, log.seek(0, os.SEEK_END) - _LOG_TAIL))
                words = log.read(_LOG_TAIL).decode("utf-8", "replace").strip()
        except OSError:
            return ""
        return f"; it said: {context.output.without_secrets(words)}" if words else ""


def _recorded(path: Path) -> tuple[str, float]:
    """Return what a pid file holds, and when it was written."""
    file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        return os.read(file, _PID_FILE_BYTES).decode("ascii", "replace"), os.fstat(file).st_mtime
    finally:
        os.close(file)


def _unsafe_folder(file: Path, allow: Allow) -> str | None:
    """Say why a file is in no fit place, or None.

    Its folder must be an allowed one, or one where only root and we may write; and nobody else may switch that folder
    for another one. One that is missing (below /run, before the first start) is judged by those above it.
    """
    free = place_refusal(file.parent, allow) is None
    folders = [folder for folder in (file.parent.parents if free else file.parents) if folder.is_dir()]
    unsafe = next((why for folder in folders if (why := others_may_write(folder))), None)
    return unsafe and f"'{file}' could be switched for something else: {unsafe}"
