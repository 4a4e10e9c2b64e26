"""Tell the log."""

import logging

from bridge.notifiers.base import Message, Notifier, State
from remedy.config.logger import structlog


class Log(Notifier):
    """Write the message to the bridge's own log: for a start, and beside others.

    **Needs** nothing. A critical message is an error, any other a warning; what is resolved is information.

    Example:
        notifiers: {record: {kind: log}}
    """

    def deliver(self, message: Message, timeout: float) -> None:
        """Write one line."""
        del timeout
        structlog.get_logger("bridge.notifiers").log(
            _level(message),
            message.title,
            state=str(message.state),
            severity=message.severity,
            dedup_key=message.dedup_key,
            runbook_url=message.runbook_url,
            story=message.story,
        )


def _level(message: Message) -> int:
    if message.state is State.RESOLVED or message.severity == "info":
        return logging.INFO
    return logging.ERROR if message.severity == "critical" else logging.WARNING
