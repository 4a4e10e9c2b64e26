"""Shows sightings as they come, each with its seconds since the failure; plain lines where there is no terminal."""

import time
from collections.abc import Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from remedy.demo.watch.sighting import Mood, Sighting

_QUIET = 15.0
"""Seconds without news after which the next news begins a new count."""


class Timeline:
    """Prints to a console; on a terminal a line below counts the seconds."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status = Status("", console=console)
        self._waiting_for = ""
        self._zero: float | None = None
        self._newest = 0.0
        self._telling = False

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(OSError):  # the terminal may be gone
            self._status.stop()

    def say(self, text: str, style: str = "") -> None:
        """Print a line that belongs to no moment."""
        self._console.print(Text(text, style=style), soft_wrap=True)

    def wait_for(self, what: str) -> None:
        """Say, on a terminal, what is being waited for."""
        self._waiting_for = what
        self.tick()

    def tick(self) -> None:
        """Let the seconds go on."""
        since = f" · {time.time() - self._zero:.0f} s" if self._zero is not None else ""
        self._status.update(Text(self._waiting_for + since))

    def begin(self, title: str, at: float) -> None:
        """Begin a story: seconds count from `at` (Unix) until `end`."""
        self._telling = True
        self._zero = self._newest = at
        self._console.print()
        self.say(title, "bold")

    def end(self) -> None:
        """End the story: from now on, what comes after a time of quiet begins a new count."""
        self._telling = False

    def show(self, sightings: Iterable[Sighting]) -> None:
        """Print what was seen, oldest first."""
        for sighting in sorted(sightings):
            if self._zero is None or (not self._telling and sighting.at - self._newest > _QUIET):
                self._console.print()
                self._zero = sighting.at
            self._newest = max(self._newest, sighting.at)
            self._line(sighting, sighting.at - self._zero)

    def _line(self, sighting: Sighting, seconds: float) -> None:
        line = Text(f"{max(seconds, 0):7.1f} s  ", style="bright_black")
        line.append(f"{sighting.stage:<12}  ", style="bold")
        line.append(sighting.text, style="" if sighting.mood is Mood.NEUTRAL else sighting.mood)
        self._console.print(line, soft_wrap=True)
