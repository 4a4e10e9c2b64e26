"""The stories of the demo: what is broken, and which remediation heals it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from remedy.demo.configs import CLEAN, RESTART
from remedy.demo.sample import SampleService
from remedy.demo.stack import Stack
from remedy.demo.timeline import Timeline
from remedy.demo.watch.sighting import Mood, Sighting, Stage, Watch, moment

_LOOK_EVERY = 0.2
_FIXED = "fixed"


@dataclass(frozen=True)
class Story:
    """One failure, and what is to heal it."""

    title: str
    remediation: str
    damage: Callable[[], str]
    """Breaks something, and says what it did."""


def stories(sample: SampleService) -> list[Story]:
    """Return what the demo shows."""

    def kill() -> str:
        pid = sample.kill()
        return "the sample service was gone already" if pid is None else f"kill -9 of the sample service (pid {pid})"

    def fill() -> str:
        sample.fill()
        return f"{sample.uploads} is filled over its quota with month-old files"

    return [
        Story("First story: the service dies.", RESTART, kill),
        Story("Second story: its folder is full, and its log says so.", CLEAN, fill),
    ]


@dataclass(frozen=True)
class Ending:
    """How a story ended."""

    remediation: str
    outcome: str | None
    """The run's outcome; None: no run ended in time."""
    seconds: float
    """From the failure to the end of the run."""

    @property
    def healed(self) -> bool:
        """Was it fixed, and proven so?"""
        return self.outcome == _FIXED

    def __str__(self) -> str:
        if self.healed:
            return f"{self.remediation} healed it in {self.seconds:.1f} s"
        if self.outcome is None:
            return f"{self.remediation} did not heal it within {self.seconds:.0f} s"
        return f"{self.remediation} did not heal it: {self.outcome}"


class Narrator:
    """Lets stories happen and shows them, seeing after the stack at every look."""

    def __init__(self, stack: Stack, watches: Sequence[Watch], timeline: Timeline, *, patience: float = 120.0) -> None:
        self._stack, self._watches, self._timeline, self._patience = stack, watches, timeline, patience

    def look(self) -> None:
        """See after the processes, show what is new, and wait a moment."""
        self._stack.check()
        self._timeline.show([sighting for watch in self._watches for sighting in watch.look()])
        self._timeline.tick()
        time.sleep(_LOOK_EVERY)

    def tell(self, story: Story) -> Ending:
        """Break it and show what happens until it is healed, or until patience ends."""
        zero = time.time()
        self._timeline.begin(story.title, zero)
        self._timeline.show([Sighting(zero, Stage.BREAK, story.damage(), Mood.BAD)])
        self._timeline.wait_for(f"waiting for {story.remediation}")
        run = self._watch_until_ended(story.remediation, zero)
        self._timeline.end()
        if run is None:
            return Ending(story.remediation, None, self._patience)
        return Ending(story.remediation, run["outcome"], moment(run["ended_at"], zero) - zero)

    def _watch_until_ended(self, remediation: str, zero: float) -> dict[str, Any] | None:
        while (run := self._ended_run(remediation, zero)) is None:
            if time.time() - zero > self._patience:
                return None
            self.look()
        self.look()
        return run

    def _ended_run(self, remediation: str, since: float) -> dict[str, Any] | None:
        """Return the run that ended the story: the one that fixed it, else the last one, if that has ended."""
        answer = self._stack.get("bridge", "/api/v1/runs", remediation=remediation) or {"runs": []}
        runs = [run for run in answer["runs"] if moment(run["created_at"], since) >= since]
        ended = [run for run in runs if run["outcome"]]
        fixed = [run for run in ended if run["outcome"] == _FIXED]
        return next(iter(fixed), None) or (ended[0] if ended and len(ended) == len(runs) else None)
