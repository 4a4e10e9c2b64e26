"""The log of `remedy run`, in the words and the form of the daemon that it replaces, and alerts.log beside it."""

import json
import os
import sys
import threading
from collections.abc import MutableMapping
from datetime import datetime
from pathlib import Path
from typing import Any

from remedy.config.logger import structlog

_LARGEST = 10 * 1024 * 1024
"""Bytes; a larger log becomes `auto_fix.log.1` before the next line is written."""
_QUIET = ("debug", "info")
_LEVELS = {"warn": "WARNING", "exception": "ERROR"}


class DaemonLog:
    """Writes lines to a file and to standard error. A full disk stops no fix: the line is then on standard error."""

    def __init__(self, file: Path) -> None:
        self._file, self._alerts = file, file.with_name("alerts.log")
        self._lock = threading.Lock()
        self._trouble: str | None = None
        """Why the last line could not be written."""

    def say(self, message: str, level: str = "INFO") -> None:
        """Write a line: `2026-11-21 10:00:00 - AutoFixDaemon - [INFO] - message`."""
        moment = datetime.now().astimezone().strftime("%Y-%m-%d %H:%M:%S")
        line = f"{moment} - AutoFixDaemon - [{level}] - {_one_line(message)}"
        with self._lock:
            trouble, before = _append(self._file, line), self._trouble
            self._trouble = trouble
            if trouble not in (None, before):
                print(f"{self._file} cannot be written: {trouble}", file=sys.stderr)
            print(line, file=sys.stderr, flush=True)

    def take_over(self) -> None:
        """Let what the bridge logs come here too: its warnings and errors, and whom it tells what."""
        structlog.configure(
            processors=[structlog.processors.add_log_level, self._event],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        )

    def _event(self, _logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
        """Write an event of the bridge; never returns, since it is written already."""
        level, text = str(event.pop("level", "info")), str(event.pop("event", ""))
        if "dedup_key" in event:
            self._alert(text, event)
        elif level not in _QUIET:
            details = ", ".join(f"{key}: {value}" for key, value in event.items())
            self.say(f"{text} ({details})" if details else text, _LEVELS.get(level, level.upper()))
        raise structlog.DropEvent

    def _alert(self, title: str, event: MutableMapping[str, Any]) -> None:
        self.say(f"アラート: {title}", "WARNING")
        record = {
            "timestamp": datetime.now().astimezone().isoformat(timespec="seconds"),
            "severity": event.get("severity"),
            "message": title,
            "action": "alert",
            "description": event.get("story"),
        }
        with self._lock:
            _append(self._alerts, json.dumps(record, ensure_ascii=False))


def _append(file: Path, line: str) -> str | None:
    """Add a line and return why not; the file is opened each time, so that whoever rotates it need not tell us."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if file.exists() and file.stat().st_size > _LARGEST:
            file.replace(file.with_name(f"{file.name}.1"))
        descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640)
        with os.fdopen(descriptor, "ab") as stream:
            stream.write(f"{line}\n".encode())
    except OSError as error:
        return error.strerror or str(error)
    return None


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)
