"""Say what a log complains about most."""

import os
from collections.abc import Iterator
from typing import Annotated, ClassVar

from pydantic import Field

from bridge.actions.base import Action, Allow, StepContext
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.folders import Place, opened_file, place_refusal, places_of
from bridge.actions.host.log_groups import LogGroup, groups
from bridge.actions.host.sizes import Size


class LogAnalysis(Action):
    """Group the latest complaints of logs, and write the most frequent ones into the run.

    **Changes** nothing. **Needs** the logs in `allow.roots`. **Idempotent**: yes. **Backed up**: nothing. Lines that
    differ only in numbers, addresses and quoted words are one group; a traceback counts as one complaint, known by its
    exception and its innermost frame.

    Example:
        - log_analysis: {log_files: [/var/log/itsm/app.log], top: 5}
    """

    idempotent: ClassVar[bool] = True

    log_files: Annotated[tuple[AbsolutePath, ...], Field(min_length=1, max_length=100)]
    """Logs, each inside an allowed root."""
    words: tuple[Text, ...] = ("error", "exception", "traceback", "critical", "fatal", "fail")
    """Only entries that hold one of these, in small or capital letters; none: all."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """How many groups of each log are written down."""
    last: Annotated[Size, Field(ge=1, le=64 * 1024**2)] = 4 * 1024**2
    """How much of each log's end is read, as `4MiB`."""
    missing_ok: bool = False
    """Pass over logs that are not there; else the step fails."""

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the logs that no root holds."""
        for file in self.log_files:
            why = place_refusal(file, allow)
            if why:
                yield "log_files", why

    def plan(self, context: StepContext) -> str:
        """Say which logs."""
        del context
        return f"group the complaints in {', '.join(map(str, self.log_files))}"

    def run(self, context: StepContext) -> str:
        """Read and group them."""
        found: list[LogGroup] = []
        for log in places_of(self.log_files, context.allow, missing_ok=self.missing_ok):
            context.pause(0)
            grouped = groups(self._lines(log), self.words)
            found += grouped
            context.output.say(f"== {log.path}: {len(grouped)} kinds of complaint")
            for group in grouped[: self.top]:
                context.output.say(_spelled(group))
        if not found:
            return "there are no complaints"
        most = max(found, key=lambda group: group.count)
        return f"{sum(group.count for group in found)} complaints of {len(found)} kinds; most often: {most.signature}"

    def _lines(self, log: Place) -> list[str]:
        with opened_file(log) as descriptor:
            start = max(0, os.fstat(descriptor).st_size - self.last)
            text = os.pread(descriptor, self.last, start).decode("utf-8", "replace")
        lines = text.splitlines()
        return lines[1:] if start else lines  # the first may be half of one


def _spelled(group: LogGroup) -> str:
    seen = f", {group.first_seen} to {group.last_seen}" if group.last_seen else ""
    return f"{group.count}x {group.signature}{seen}\n    latest: {group.example}"
