"""Processes."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from pydantic import Field, model_validator

from exporters.checks._fields import Regex
from exporters.checks.base import Check, CheckContext, CheckResult, Status

_MB = 1024**2


class Process(Check):
    """That the right number of processes runs, found by name, command line or pid file. Its value is their count.

    A zombie does not run.

        - {name: node_running, kind: process, process: node}
        - {name: app_running, kind: process, cmdline: 'python .*app\\.py', at_most: 1, max_memory_mb: 500}
        - {name: daemon_running, kind: process, pid_file: /run/app.pid}
    """

    process: str | None = Field(default=None, description="The program's name, exactly.")
    cmdline: Regex | None = Field(default=None, description="A regex that the command line must hold.")
    pid_file: Path | None = Field(default=None, description="A file with the process id.")
    at_least: int = Field(default=1, ge=0)
    at_most: int | None = Field(default=None, ge=0)
    max_memory_mb: float | None = Field(default=None, gt=0, description="Resident memory of all of them together.")

    @model_validator(mode="after")
    def _names_something(self) -> "Process":
        if self.process is None and self.cmdline is None and self.pid_file is None:
            raise ValueError("one of the keys 'process', 'cmdline' and 'pid_file' is needed")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        del context
        found = list(self._running())
        count, memory = len(found), sum(memory for memory, _ in found) / _MB
        age = time.time() - min((born for _, born in found), default=time.time())
        said = f"{count} process{'' if count == 1 else 'es'} of {self._wanted()}"
        status = Status.UNHEALTHY
        if count < self.at_least:
            said += f", at least {self.at_least} must run"
        elif self.at_most is not None and count > self.at_most:
            said += f", at most {self.at_most} may run"
        elif self.max_memory_mb is not None and memory > self.max_memory_mb:
            said += f" hold {memory:.0f} MB, over {self.max_memory_mb:g} MB"
        else:
            status = Status.HEALTHY
        details = {"count": count, "memory_mb": round(memory, 1), "age_seconds": round(age)}
        return CheckResult(status, said, count, "processes", self.at_least, details)

    def _wanted(self) -> str:
        return f"{self.process or self.cmdline or self.pid_file}"

    def _running(self) -> Iterator[tuple[int, float]]:
        """Yield (resident bytes, unix time of birth) of each."""
        for process in self._candidates():
            try:
                with process.oneshot():
                    if process.status() != psutil.STATUS_ZOMBIE and self._is_meant(process):
                        yield process.memory_info().rss, process.create_time()
            except psutil.Error:
                continue  # it ended while we looked, or is none of ours to see

    def _candidates(self) -> Iterator[psutil.Process]:
        if self.pid_file is None:
            yield from psutil.process_iter()
            return
        try:
            yield psutil.Process(int(self.pid_file.read_text(encoding="utf-8").split()[0]))
        except (FileNotFoundError, psutil.NoSuchProcess, IndexError, ValueError):
            return

    def _is_meant(self, process: psutil.Process) -> bool:
        if self.process is not None and process.name() != self.process:
            return False
        return self.cmdline is None or bool(re.search(self.cmdline, " ".join(process.cmdline())))
