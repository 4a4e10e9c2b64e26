"""Processes that the demo starts: each in a session of its own, found again by pid, ended with everything it started.

A session of their own keeps the terminal's Ctrl-C away from them, so that it is the demo that ends them, in order.
Each is on a leash: the kernel sends it SIGTERM should the demo itself be killed.
"""

import os
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""
_LEASH = Path(__file__).with_name("leash.py")
_LOG_TAIL = 4096


@dataclass(frozen=True)
class Program:
    """One program of the demo: how it is started, where its log goes and how one sees that it is ready."""

    name: str
    argv: tuple[str, ...]
    log: Path
    ready_url: str
    without_it: str
    """What does not happen while it is down; a clause for people."""


class Running:
    """A program that was started. It must be started by the main thread: the kernel's signal is tied to the thread."""

    def __init__(self, program: Program, env: Mapping[str, str]) -> None:
        self.program = program
        program.log.parent.mkdir(parents=True, exist_ok=True)
        with program.log.open("ab") as log:
            self._process = subprocess.Popen(
                _ended_with_us(program.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=program.log.parent,
                env=dict(env),
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        """The pid, which is that of its session as well."""
        return self._process.pid

    def how_it_ended(self) -> str | None:
        """Say how it ended, or None while it runs."""
        code = self._process.poll()
        return None if code is None else spell_exit(code)

    def last_words(self) -> str:
        """Return the last line of its log that says something."""
        tail = self.program.log.read_bytes()[-_LOG_TAIL:].decode("utf-8", "replace")
        lines = [line.strip() for line in tail.splitlines() if line.strip()]
        return lines[-1] if lines else "nothing in its log"

    def ask_to_end(self) -> None:
        """Send SIGTERM, if it still runs."""
        if self._process.poll() is None:
            self._process.terminate()

    def end(self) -> None:
        """End it and whatever is left of its session; returns when all are gone."""
        self.ask_to_end()
        try:
            self._process.wait(GRACE)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        end_all(in_session(self.pid))


def _ended_with_us(argv: tuple[str, ...]) -> list[str]:
    return [sys.executable, "-I", "-S", str(_LEASH), str(os.getpid()), *argv]


def spell_exit(code: int) -> str:
    """Say an exit status, as `subprocess` gives it, in words."""
    if code >= 0:
        return f"ended with exit code {code}"
    return f"was ended by signal {-code} ({signal.Signals(-code).name})"


def in_session(session: int) -> list[psutil.Process]:
    """Find the processes of a session that the demo made."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == session:
                found.append(process)
        except ProcessLookupError:
            continue
    return found


def end_all(processes: Iterable[psutil.Process], grace: float = GRACE) -> None:
    """SIGTERM, and SIGKILL for those that are still there after `grace` seconds; psutil guards against reused pids."""
    for ending in (psutil.Process.terminate, psutil.Process.kill):
        for process in (remaining := list(processes)):
            try:
                ending(process)
            except psutil.NoSuchProcess:
                continue
        _, processes = psutil.wait_procs(remaining, timeout=grace)
