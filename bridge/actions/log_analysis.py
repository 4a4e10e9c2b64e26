"""Say what a log complains about most."""

import os
from collections.abc import Iterator
from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from bridge.actions.base import Action, Allow, StepContext
from bridge.actions.host.exporter_matches import ExporterMatches
from bridge.actions.host.fields import AbsolutePath, Text
from bridge.actions.host.folders import Place, opened_file, place_refusal, places_of
from bridge.actions.host.log_groups import LogGroup, groups
from bridge.actions.host.sizes import Size


class LogAnalysis(Action):
    """Group the latest complaints of logs, and write the most frequent ones into the run.

    **Changes** nothing: what it finds stands in the run, and so in the story that people and issues get. **Needs** the
    logs in `allow.roots`; for the lines that the exporter matched, its URL in `allow.urls`. **Idempotent**: yes.
    **Backed up**: nothing. Lines that differ only in numbers, addresses and quoted words are one group; a traceback
    counts as one complaint, known by its exception and its innermost frame.

    Example:
        - log_analysis: {log_files: [/var/log/itsm/app.log], top: 5}
        - log_analysis: {matches: {url: "http://127.0.0.1:9195", pattern: "{{ labels.pattern }}"}}
    """

    idempotent: ClassVar[bool] = True

    log_files: Annotated[tuple[AbsolutePath, ...], Field(max_length=100)] = ()
    """Logs, each inside an allowed root."""
    matches: ExporterMatches | None = None
    """The latest lines that a log pattern matched: `url` of the exporter, and `pattern`. This, `log_files` or both."""
    words: tuple[Text, ...] = ("error", "exception", "traceback", "critical", "fatal", "fail")
    """Only entries that hold one of these, in small or capital letters; none: all."""
    top: Annotated[int, Field(ge=1, le=100)] = 10
    """How many groups of each log are written down."""
    last: Annotated[Size, Field(ge=1, le=64 * 1024**2)] = 4 * 1024**2
    """How much of each log's end is read, as `4MiB`."""
    missing_ok: bool = False
    """Pass over logs that are not there; else the step fails."""

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        if not self.log_files and self.matches is None:
            raise ValueError("log_files or matches must be given")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield the logs that no root holds."""
        for file in self.log_files:
            why = place_refusal(file, allow)
            if why:
                yield "log_files", why
        if self.matches is not None:
            yield from ((f"matches.{field}", why) for field, why in self.matches.refusals(allow))

    def plan(self, context: StepContext) -> str:
        """Say which logs."""
        del context
        matched = [f"the latest matches of {self.matches.pattern}"] if self.matches else []
        return f"group the complaints in {', '.join([*map(str, self.log_files), *matched])}"

    def run(self, context: StepContext) -> str:
        """Read and group them."""
        self.refuse(context)
        found: list[LogGroup] = []
        for title, grouped in self._grouped(context):
            context.pause(0)
            found += grouped
            context.output.say(f"== {title}: {len(grouped)} kinds of complaint")
            for group in grouped[: self.top]:
                context.output.say(_spelled(group))
        if not found:
            return "there are no complaints"
        most = max(found, key=lambda group: group.count)
        return f"{sum(group.count for group in found)} complaints of {len(found)} kinds; most often: {most.signature}"

    def _grouped(self, context: StepContext) -> Iterator[tuple[str, list[LogGroup]]]:
        for log in places_of(self.log_files, context.allow, missing_ok=self.missing_ok):
            yield str(log.path), groups(self._lines(log), self.words)
        if self.matches is not None:
            for source, lines in self.matches.lines(context).items():
                yield f"latest matches of {self.matches.pattern} in {source}", groups(lines, ())

    def _lines(self, log: Place) -> list[str]:
        with opened_file(log) as descriptor:
            start = max(0, os.fstat(descriptor).st_size - self.last)
            text = os.pread(descriptor, self.last, start).decode("utf-8", "replace")
        lines = text.splitlines()
        return lines[1:] if start else lines  # the first may be half of one


def _spelled(group: LogGroup) -> str:
    seen = f", {group.first_seen} to {group.last_seen}" if group.last_seen else ""
    return f"{group.count}x {group.signature}{seen}\n    latest: {group.example}"
