"""`log`: one line, at the level that it deserves."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from bridge.notifiers.base import Message, State
from bridge.notifiers.log import Log


@pytest.mark.parametrize(
    ("state", "severity", "level"),
    [
        (State.RAISED, "critical", "error"),
        (State.RAISED, "warning", "warning"),
        (State.RAISED, "what people call it", "warning"),
        (State.RAISED, "info", "info"),
        (State.RESOLVED, "critical", "info"),
    ],
)
def test_one_line(state: State, severity: str, level: str, message: Message) -> None:
    with capture_logs() as lines:
        Log().deliver(replace(message, state=state, severity=severity), 1)
    assert [(line["log_level"], line["event"], line["state"]) for line in lines] == [(level, message.title, state)]
