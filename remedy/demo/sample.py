"""The sample service as the demo sees it: started once here, afterwards by the bridge, so known by its pid file."""

import os
import shlex
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from remedy.demo.app import QUOTA
from remedy.demo.processes import end_all, spell_exit

_MODULE = "remedy.demo.app"
_DAY = 86_400.0


@dataclass
class SampleService:
    """The service and its folders below `home`.

    `uploads` is the small folder that remediation.yml allows to be cleaned; `neighbour` holds files of the same age
    beside it, which nobody may touch.
    """

    home: Path
    port: int
    leash: Path
    on_exit: Callable[[str], None] = field(default=lambda _how: None)
    """Told how the first process, the one started here, ended; called in a thread of its own."""

    @property
    def uploads(self) -> Path:
        """The folder with the quota."""
        return self.home / "uploads"

    @property
    def neighbour(self) -> Path:
        """A folder that no remediation names."""
        return self.home / "neighbour"

    @property
    def log(self) -> Path:
        """What the exporter reads."""
        return self.home / "sample.log"

    @property
    def out(self) -> Path:
        """What it prints beside its log: why it could not start."""
        return self.home / "sample.out"

    @property
    def pid_file(self) -> Path:
        """Where it writes its pid, whoever started it."""
        return self.home / "sample.pid"

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def health_url(self) -> str:
        """What the exporter checks."""
        return f"{self.url}/api/health"

    @property
    def program(self) -> Path:
        """A script of its own: the bridge runs no interpreter that is told what to do."""
        return self.home / "sample-service"

    @property
    def argv(self) -> tuple[str, ...]:
        """The command line, for whoever starts it."""
        options = {"port": self.port, "data": self.uploads, "log": self.log, "pid-file": self.pid_file}
        options |= {"leash": self.leash}
        return (str(self.program), *(f"--{key}={value}" for key, value in options.items()))

    def prepare(self) -> None:
        """Make its folders and its program; nobody else may write there, or the bridge would refuse to start it."""
        for folder in (self.home, self.uploads, self.neighbour):
            folder.mkdir(mode=0o700, exist_ok=True)
        self.program.touch(mode=0o700)
        self.program.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m {_MODULE} "$@"\n', encoding="utf-8")

    def start(self, env: Mapping[str, str]) -> None:
        """Start it for the first time, in a session of its own."""
        with self.out.open("ab") as out:
            process = subprocess.Popen(
                self.argv,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                cwd=self.home,
                env=dict(env),
                start_new_session=True,
            )
        threading.Thread(target=self._await_exit, args=(process,), name="sample", daemon=True).start()

    def _await_exit(self, process: "subprocess.Popen[bytes]") -> None:
        self.on_exit(spell_exit(process.wait()))

    def process(self) -> psutil.Process | None:
        """Find the process that the pid file names, if it is ours and runs."""
        try:
            process = psutil.Process(int(self.pid_file.read_text(encoding="ascii")))
            return process if self._is_ours(process) else None
        except (OSError, ValueError, psutil.NoSuchProcess):
            return None

    def kill(self) -> int | None:
        """Kill it as `kill -9` does and return the pid that it had, or None where it did not run."""
        process = self.process()
        if process is None:
            return None
        with suppress(psutil.NoSuchProcess):
            process.kill()
        return process.pid

    def fill(self, files: int = 8) -> None:
        """Put so many month-old files into the folder that it is over its quota, the same beside it, and a new one."""
        size = QUOTA // files + 100_000
        for folder in (self.uploads, self.neighbour):
            for number in range(files):
                _write(folder / f"export-{number:02}.csv", size, age=30 * _DAY)
        _write(self.uploads / "today.csv", 1000, age=0)

    def end(self) -> None:
        """End every process of it, whoever started it."""
        end_all([process for process in psutil.process_iter() if self._is_ours(process)])

    def _is_ours(self, process: psutil.Process) -> bool:
        try:
            argv = process.cmdline()
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            return False
        return _MODULE in argv and f"--leash={self.leash}" in argv


def _write(file: Path, size: int, age: float) -> None:
    file.write_bytes(b"0" * size)
    then = time.time() - age
    os.utime(file, (then, then))
