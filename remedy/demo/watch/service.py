"""Watches whether the sample service's process is there."""

import time

from remedy.demo.sample import SampleService
from remedy.demo.watch.sighting import Mood, Sighting, Stage


class ServiceWatch:
    """Sees the process come and go, by its pid file."""

    def __init__(self, sample: SampleService) -> None:
        self._sample = sample
        self._pid = self._now()

    def _now(self) -> int | None:
        process = self._sample.process()
        return process.pid if process else None

    def look(self) -> list[Sighting]:
        """Compare with the last look."""
        before, self._pid = self._pid, self._now()
        if before == self._pid:
            return []
        if self._pid is None:
            return [Sighting(time.time(), Stage.SERVICE, f"the sample service (pid {before}) is gone", Mood.BAD)]
        return [Sighting(time.time(), Stage.SERVICE, f"the sample service runs again (pid {self._pid})", Mood.GOOD)]
