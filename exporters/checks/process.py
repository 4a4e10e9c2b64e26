"""Processes."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
from pydantic import Field, model_validator

from exporters.checks._fields import Regex
from exporters.checks.base import Check, CheckContext, CheckResult, Measured, Status
from remedy.config.durations import Duration, format_duration

_MB = 1024**2


class Process(Check):
    """That the right number of processes runs, found by name, command line or pid file. Its value is their count.

    A zombie does not run. Further values are their resident memory (`memory_bytes`, of all together) and their age
    (`age_seconds`, of the youngest): one that is always young is being restarted again and again.

        - {name: node_running, kind: process, process: node}
        - {name: app_running, kind: process, cmdline: 'python .*app\\.py', at_most: 1, max_memory_mb: 500}
        - {name: daemon_running, kind: process, pid_file: /run/app.pid, min_age: 1m}
    """

    process: str | None = Field(default=None, description="The program's name, exactly.")
    cmdline: Regex | None = Field(default=None, description="A regex that the command line must hold.")
    pid_file: Path | None = Field(default=None, description="A file with the process id.")
    at_least: int = Field(default=1, ge=0)
    at_most: int | None = Field(default=None, ge=0)
    max_memory_mb: float | None = Field(default=None, gt=0, description="Resident memory of all of them together.")

    min_age: Duration | None = Field(default=None, description="Since the start of the youngest.")
    max_age: Duration | None = Field(default=None, description="Since the start of the oldest.")

    @model_validator(mode="after")
    def _names_something(self) -> "Process":
        if self.process is None and self.cmdline is None and self.pid_file is None:
            raise ValueError("one of the keys 'process', 'cmdline' and 'pid_file' is needed")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        del context
        found = list(self._running())
        memory = sum(memory for memory, _ in found)
        ages = [max(0.0, time.time() - born) for _, born in found]
        count = len(found)
        wrong = self._wrong(count, memory / _MB, ages)
        said = f"{count} process{'' if count == 1 else 'es'} of {self._wanted()}"
        status = Status.UNHEALTHY if wrong else Status.HEALTHY
        age = min(ages, default=0.0)
        details = {"count": count, "memory_mb": round(memory / _MB, 1), "age_seconds": round(age)}
        limit = self.max_memory_mb * _MB if self.max_memory_mb is not None else None
        also = (Measured(memory, "memory_bytes", limit), Measured(age, "age_seconds")) if found else ()
        return CheckResult(status, said + wrong, count, "processes", self.at_least, details, also)

    def _wrong(self, count: int, memory: float, ages: list[float]) -> str:
        """Say what is wrong; nothing, if nothing is."""
        if count < self.at_least:
            return f", at least {self.at_least} must run"
        if self.at_most is not None and count > self.at_most:
            return f", at most {self.at_most} may run"
        if self.max_memory_mb is not None and memory > self.max_memory_mb:
            return f" hold {memory:.0f} MB, over {self.max_memory_mb:g} MB"
        if ages and self.min_age is not None and min(ages) < self.min_age.total_seconds():
            return f", the youngest is {min(ages):.0f} s old, less than {format_duration(self.min_age)}"
        if ages and self.max_age is not None and max(ages) > self.max_age.total_seconds():
            return f", the oldest is {max(ages):.0f} s old, more than {format_duration(self.max_age)}"
        return ""

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
