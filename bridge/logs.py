"""Structured logs on standard error: JSON, or columns for a person; and beside them the files that are wanted.

Nothing that goes wrong with a log stops what it tells of: a line that cannot be written is left out.
"""

import logging
import os
import sys
from contextlib import suppress

from bridge.log_files import LogFiles
from bridge.policy.log_keys import Logs
from bridge.run.redaction import redact
from bridge.telling import say_about
from remedy.config.logger import EventDict, Processor, WrappedLogger, structlog

_STDERR = 2
_THEIRS = (None, "gunicorn.error")
"""Loggers of others: the root, and one whose lines do not reach the root."""


def configure_logs(logs: Logs) -> None:
    """Set structlog up for a process of ours; once, at its start, and in the worker anew."""
    console = logs.format == "console" or (logs.format == "auto" and sys.stderr.isatty())
    processors: list[Processor] = [
        say_about,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        _redact,
        *LogFiles.of(logs),
        *([structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())] if console else _JSON),
    ]
    structlog.configure(
        processors=processors,
        wrapper_class=structlog.make_filtering_bound_logger(logs.level),
        logger_factory=lambda *_: _StandardError(),
    )
    forward = _Forward(max(logging.WARNING, logging.getLevelNamesMapping()[logs.level.upper()]))
    for name in _THEIRS:
        logger = logging.getLogger(name)
        logger.handlers, logger.propagate = [forward], False


def say(line: str) -> None:
    """Write a line for people to standard error, or as much of it as there is room for."""
    _StandardError().msg(line)


class _StandardError:
    """Writes lines; without a buffer, which would keep what could not be written and fail again and again."""

    def msg(self, line: str) -> None:
        """Write one line, or as much of it as there is room for."""
        with suppress(OSError):
            os.write(_STDERR, f"{line}\n".encode("utf-8", "backslashreplace"))

    debug = info = warning = error = critical = msg


class _Forward(logging.Handler):
    """Lets what libraries and gunicorn log come out as our own lines do."""

    def emit(self, record: logging.LogRecord) -> None:
        """Say it in our way."""
        try:
            structlog.get_logger(record.name).log(record.levelno, record.getMessage(), exc_info=record.exc_info)
        except Exception:  # noqa: BLE001 - as every handler of logging does
            self.handleError(record)


def _in_order(_logger: WrappedLogger, _method: str, said: EventDict) -> EventDict:
    """Put first what every line has."""
    return {name: said.pop(name, None) for name in ("timestamp", "level", "event")} | dict(said)


_JSON: list[Processor] = [_in_order, structlog.processors.JSONRenderer(ensure_ascii=False)]


def _redact(_logger: WrappedLogger, _method: str, said: EventDict) -> EventDict:
    """Take secrets out of every text, whoever wrote it."""
    for name, value in said.items():
        if isinstance(value, str) and name != "timestamp":
            said[name] = redact(value)
    return said
