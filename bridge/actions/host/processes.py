"""Processes held by a pidfd, so that a signal reaches the one that was looked at, never a later one of its number."""

import os
import pwd
import re
import select
import signal
import time
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

import psutil

from bridge.actions.base import StepContext, StepRefusedError

_KERNEL_THREADS_PARENT = 2
_LOOK_AT_STOP_SECONDS = 0.2
_KILLED_SECONDS = 1.0
"""How long a killed process may take to be gone; one that waits for a disk can take longer."""


@dataclass(frozen=True)
class Process:
    """One running process, held; what it is was read while it was held. Close it, or use it in `with`."""

    pid: int
    pidfd: int
    name: str
    command_line: tuple[str, ...]
    user: str
    parent: int
    started: float
    """Seconds since the epoch, within the clock's jumps."""

    def __enter__(self) -> "Process":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def __str__(self) -> str:
        return f"process {self.pid} ({' '.join(self.command_line)[:200] or self.name}, user {self.user})"

    def close(self) -> None:
        """Let go of it."""
        os.close(self.pidfd)

    def ended(self, seconds: float = 0) -> bool:
        """Tell whether it has ended, waiting up to `seconds` for that; one that nobody has reaped yet has ended."""
        poller = select.poll()
        poller.register(self.pidfd, select.POLLIN)
        return bool(poller.poll(max(0, seconds) * 1000))

    def wait(self, context: StepContext, seconds: float) -> bool:
        """Wait until it ends, for `seconds` at most, and tell whether it did.

        Raises:
            StepError: the bridge is stopping, or the step's time is up.
        """
        until = time.monotonic() + seconds
        while not self.ended(min(until - time.monotonic(), _LOOK_AT_STOP_SECONDS)):
            if time.monotonic() >= until:
                return False
            context.pause(0)
        return True

    def refuse_untouchable(self) -> None:
        """Stop here where it must never be signalled.

        Raises:
            StepRefusedError: it must not, and why.
        """
        why = untouchable(self)
        if why:
            raise StepRefusedError(f"{self} is not signalled: {why}")

    def signal(self, number: signal.Signals) -> None:
        """Send a signal; one that has ended is left in peace.

        Raises:
            StepRefusedError: it is one that must never be signalled, or the system forbids it.
        """
        self.refuse_untouchable()
        try:
            signal.pidfd_send_signal(self.pidfd, number)
        except ProcessLookupError:
            pass
        except PermissionError:
            raise StepRefusedError(f"{self} may not be signalled by us (CAP_KILL, or its user, is needed)") from None


def hold(pid: int) -> Process | None:
    """Hold the process that has this number now; None where there is none.

    The pidfd is opened first and looked at last: a process that still runs then is the one that was read in between.
    """
    try:
        pidfd = os.pidfd_open(pid)
    except (ProcessLookupError, ValueError, OverflowError):
        return None
    except OSError as error:  # a thread's number is EINVAL or ENOENT, by kernel version
        del error
        return None
    try:
        seen = psutil.Process(pid)
        with seen.oneshot():
            held = Process(
                pid,
                pidfd,
                seen.name(),
                tuple(seen.cmdline()),
                _user_name(seen.uids().effective),
                seen.ppid(),
                seen.create_time(),
            )
        if not held.ended():
            return held
    except psutil.Error:
        pass
    os.close(pidfd)
    return None


def _user_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return str(uid)


def untouchable(process: Process) -> str | None:
    """Say why a process must never be signalled, or None."""
    if process.pid == 1:
        return "it is pid 1"
    if _KERNEL_THREADS_PARENT in (process.pid, process.parent) and not process.command_line:
        return "it is a kernel thread"
    if process.pid == os.getpid():
        return "it is the bridge itself"
    if process.pid in _ancestors():
        return "it is a parent of the bridge"
    return None


def _ancestors() -> Iterator[int]:
    yield os.getppid()
    for parent in psutil.Process().parents():
        yield parent.pid


def descendants(pid: int) -> list[Process]:
    """Hold all descendants of a process that run now. Close each."""
    try:
        children = psutil.Process(pid).children(recursive=True)
    except psutil.Error:
        return []
    return [held for child in children if (held := hold(child.pid))]


def stop_surely(process: Process, context: StepContext, grace: float) -> str:
    """End a process and its descendants: SIGTERM, SIGKILL after `grace` seconds; return what it took, as a sentence.

    Raises:
        StepError: it must not be signalled, it does not end, or the step's time is up.
    """
    process.refuse_untouchable()
    with ExitStack() as held:
        children = [held.enter_context(child) for child in descendants(process.pid)]
        process.signal(signal.SIGTERM)
        said = f"{process} ended on SIGTERM"
        if not process.wait(context, grace):
            process.signal(signal.SIGKILL)
            said = f"{process} did not end on SIGTERM within {grace:g} s and got SIGKILL"
            while not process.wait(context, _LOOK_AT_STOP_SECONDS):
                context.remaining()
        left = [child for child in children if not child.ended()]
        end_all(left, grace)
    return f"{said}; {len(left)} of its children were ended after it" if left else said


def end_all(processes: Iterable[Process], grace: float) -> None:
    """End processes: SIGTERM to all, and SIGKILL to what is left after `grace` seconds altogether."""
    running = list(processes)
    for process in running:
        process.signal(signal.SIGTERM)
    until = time.monotonic() + grace
    for process in running:
        if not process.ended(until - time.monotonic()):
            process.signal(signal.SIGKILL)
            process.ended(_KILLED_SECONDS)


def recorded_pid(text: str, path: Path) -> int:
    """Read what a pid file holds.

    Raises:
        StepRefusedError: it is no process number.
    """
    word = text.strip()
    if re.fullmatch(r"[1-9][0-9]{0,9}", word, re.ASCII) is None:
        raise StepRefusedError(f"{path} holds {word[:40]!r}, which is no process number")
    return int(word)
