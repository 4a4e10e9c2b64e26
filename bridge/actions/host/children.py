"""Run a program to its end: no shell, a session of its own, output bounded, killed whole when its time is up."""

import os
import pwd
import select
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Protocol

import psutil

from bridge.actions.base import StepContext, StepError
from bridge.actions.host.processes import Process, descendants, hold

BASE_ENV: Mapping[str, str] = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_CTYPE": "C.UTF-8",  # text is UTF-8; with LANG a program would read a dozen files more before it begins
}
_LOOK_AT_STOP_SECONDS = 0.2
_GRACE_SECONDS = 1.0
_CHUNK = 65536


class Sink(Protocol):
    """Where output goes."""

    def write(self, data: bytes, /) -> object:
        """Take bytes as they come."""


def run_program(
    argv: Sequence[str | Path],
    context: StepContext,
    *,
    output: Sink | None = None,
    with_errors: bool = True,
    cwd: str | Path | None = None,
    env: Mapping[str, str] = BASE_ENV,
    user: str | None = None,
) -> int:
    """Run `argv` and return its exit code (negative: the signal that killed it).

    What it prints goes to `output` (default: the step's), its standard error too `with_errors`. `env` is all of its
    environment. When the step's time is up or the bridge stops, its process group and its descendants get SIGTERM and,
    within a second, SIGKILL. Children that it leaves behind when it ends by itself are left alone, and what they print
    then is no longer read.

    Raises:
        StepError: it cannot be started, or the bridge is stopping.
        StepTimeoutError: its time was up.
    """
    context.remaining()
    try:
        pipe, prints = os.pipe()
    except OSError as error:
        raise StepError(f"'{argv[0]}' could not be started: {error.strerror}") from None
    try:
        try:
            child = _start([os.fspath(word) for word in argv], cwd, env, user, prints, with_errors=with_errors)
        finally:
            os.close(prints)
        with child:
            os.sched_yield()  # where both have only one processor, it goes first
            pidfd = _followed(child.pid)
            try:
                context.started(child.pid)
                _follow(pipe, pidfd, context, context.output if output is None else output)
            except BaseException:
                _end_group(child.pid, pidfd)
                raise
            finally:
                os.close(pidfd)
    finally:
        os.close(pipe)
    return child.returncode


def _start(
    argv: list[str], cwd: str | Path | None, env: Mapping[str, str], user: str | None, prints: int, *, with_errors: bool
) -> "subprocess.Popen[bytes]":
    try:
        return subprocess.Popen(
            argv,
            cwd=cwd,
            env=dict(env),
            user=user,
            group=None if user is None else pwd.getpwnam(user).pw_gid,
            extra_groups=None if user is None else [],
            stdin=subprocess.DEVNULL,
            stdout=prints,
            stderr=prints if with_errors else subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise StepError(f"'{argv[0]}' could not be started: {error.strerror}") from None
    except (ValueError, KeyError, subprocess.SubprocessError) as error:
        raise StepError(f"'{argv[0]}' could not be started: {error}") from None


def _followed(pid: int) -> int:
    """Return what tells when a program ends; where nothing can, it is ended at once."""
    try:
        return os.pidfd_open(pid)
    except OSError as error:
        os.killpg(pid, signal.SIGKILL)
        raise StepError(f"process {pid} could not be followed: {error.strerror}") from None


def _follow(pipe: int, pidfd: int, context: StepContext, output: Sink) -> None:
    os.set_blocking(pipe, False)
    poller = select.poll()
    poller.register(pidfd, select.POLLIN)
    poller.register(pipe, select.POLLIN)
    ended = False
    while not ended:
        wait = min(context.remaining(), _LOOK_AT_STOP_SECONDS)
        ready = {fd for fd, _ in poller.poll(wait * 1000)}
        context.pause(0)
        ended = pidfd in ready
        if pipe in ready and not _drain(pipe, output, context):
            poller.unregister(pipe)


def _drain(pipe: int, output: Sink, context: StepContext) -> bool:
    """Take what is there; False once nothing more can come."""
    try:
        while chunk := os.read(pipe, _CHUNK):
            output.write(chunk)
            context.pause(0)
    except BlockingIOError:
        return True
    return False


def _end_group(leader: int, pidfd: int) -> None:
    """Kill a process group whose leader nobody has reaped yet (so its number is still its own), and its strays.

    Strays are what descends from it, and what is left of its session: a child that changed its group and lost its
    parent is neither in the group nor below the leader.
    """
    with ExitStack() as held:
        strays = [held.enter_context(stray) for stray in (*descendants(leader), *_of_session(leader))]
        os.killpg(leader, signal.SIGTERM)
        poller = select.poll()
        poller.register(pidfd, select.POLLIN)
        poller.poll(_GRACE_SECONDS * 1000)
        os.killpg(leader, signal.SIGKILL)
        for stray in strays:
            if not stray.ended():
                stray.signal(signal.SIGKILL)
        for stray in strays:
            stray.ended(_GRACE_SECONDS)


def _of_session(leader: int) -> Iterator[Process]:
    """Hold all processes of a session but its leader."""
    for pid in psutil.pids():
        with suppress(ProcessLookupError):
            if pid != leader and os.getsid(pid) == leader and (held := hold(pid)) is not None:
                yield held
