"""`alerts.log` and `auto_fix.log`: of all that the bridge says, what a person wants to read, in files of their own.

A folder that is full, gone or not ours never stops a fix: what cannot be written is left out, and that is said once.
"""

import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from io import TextIOWrapper
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, Self, cast

from bridge.policy.log_keys import Logs
from bridge.telling import Event
from remedy.config.logger import EventDict, WrappedLogger, structlog

_LARGEST = 10 * 1000**2
"""Bytes of a file: then a new one is begun."""
_TAIL = 64 * 1024
_ACTIONS: dict[str, Callable[[EventDict], str]] = {
    Event.DECIDED: lambda said: str(said.get("decision")),
    Event.STARTED: lambda _: "started",
    Event.ATTEMPT_FAILED: lambda _: "attempt_failed",
    Event.ENDED: lambda said: str(said.get("outcome")),
    Event.TOLD: lambda _: "escalated",
    Event.NOT_TOLD: lambda said: "escalation_dead" if said.get("dead") else "escalation_delayed",
}
"""What has a line in alerts.log, and its `action` there."""
_DONE = (Event.STARTED, Event.STEP, Event.ATTEMPT_FAILED, Event.ENDED)
"""What has a line in auto_fix.log."""


class LogFiles:
    """A processor of structlog that lets everything pass, and writes some of it to files on the way."""

    def __init__(self, folder: Path, keep: int) -> None:
        """Nothing is opened yet: the process that says something first may be forked from this one."""
        self._alerts = _File(folder / "alerts.log", keep)
        self._fixes = _File(folder / "auto_fix.log", keep)

    @classmethod
    def of(cls, logs: Logs) -> list[Self]:
        """Return what writes the files that are wanted, if any are."""
        return [] if logs.directory is None else [cls(logs.directory, logs.keep)]

    def close(self) -> None:
        """Close the files; what is said afterwards opens them again."""
        self._alerts.close()
        self._fixes.close()

    def __call__(self, _logger: WrappedLogger, _method: str, said: EventDict) -> EventDict:
        """Write the lines of one event, and return it as it is."""
        event = str(said.get("event"))
        if event in _ACTIONS:
            self._alerts.write(json.dumps(_alert(event, said), ensure_ascii=False))
        if event in _DONE:
            self._fixes.write(_fix(event, said))
        return said


def _alert(event: str, said: EventDict) -> dict[str, str]:
    about = [str(said[name]) for name in ("alert", "remediation") if said.get(name)]
    return {
        "timestamp": str(said.get("timestamp")),
        "severity": str(said.get("severity", "warning")),
        "message": ": ".join([*about, event]),
        "action": _ACTIONS[event](said),
        "description": str(said.get("reason") or said.get("title") or event),
    }


def _fix(event: str, said: EventDict) -> str:
    what = [str(said[name]) for name in ("action", "outcome", "reason") if said.get(name)]
    line = f"{said.get('timestamp')} run {said.get('run')} {said.get('remediation')}"
    where = f" ({said['alert']})" if said.get("alert") else ""
    return _one_line(f"{line}{where}: {': '.join([event, *what])}")


def _one_line(text: str) -> str:
    """Steps print what they like: none of it may look like a line of ours."""
    return "".join(char if char.isprintable() else " " for char in text)


class _File(RotatingFileHandler):
    def __init__(self, file: Path, keep: int) -> None:
        super().__init__(file, maxBytes=_LARGEST, backupCount=keep, encoding="utf-8", delay=True)
        self._failed = self._told = False

    def write(self, line: str) -> None:
        """Write a line, or leave it out."""
        self.handle(logging.LogRecord("", logging.INFO, "", 0, line, None, None))

    def emit(self, record: logging.LogRecord) -> None:
        """Write a line; once that works again, the next failure is news."""
        self._failed = False
        super().emit(record)
        self._told = self._told and self._failed

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Let go of the file, so that the next line opens it anew, and say so once."""
        del record
        error = sys.exc_info()[1]
        stream, self.stream = self.stream, cast("Any", None)  # as logging itself has it until it opens a file
        if stream is not None:
            with suppress(OSError):
                stream.close()
        self._failed = True
        if not self._told:
            self._told = True
            structlog.get_logger("logs").warning(
                "a log file cannot be written", file=self.baseFilename, reason=str(error)
            )

    def _open(self) -> TextIOWrapper:
        Path(self.baseFilename).parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        descriptor = os.open(self.baseFilename, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW, 0o640)
        _cut_unfinished(descriptor)
        return os.fdopen(descriptor, "a", encoding="utf-8", errors="backslashreplace")


def _cut_unfinished(file: int) -> None:
    """Cut off a line that was begun when the disk became full, so that every line is a whole one."""
    size = os.fstat(file).st_size
    tail = os.pread(file, _TAIL, max(0, size - _TAIL))
    if tail and not tail.endswith(b"\n"):
        os.ftruncate(file, size - len(tail) + tail.rfind(b"\n") + 1)
