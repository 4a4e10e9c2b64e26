"""`collect_status`: what people need to see, and what is missing is named."""

import os
import socket
from pathlib import Path

import pytest

from bridge.actions.base import Allow, StepRefusedError
from bridge.actions.collect_status import CollectStatus
from tests.bridge.actions.conftest import MakeContext


def test_all_of_it(home: Path, make_context: MakeContext) -> None:
    log = home / "logs" / "app.log"
    log.parent.mkdir()
    log.write_text("".join(f"line {number}\n" for number in range(500)))
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        context = make_context(Allow(roots=(log.parent,)))
        said = CollectStatus(ports=(port,), log_files=(log,), lines=3, paths=(home,)).run(context)
    text = context.output.text()
    assert said == "wrote down how things are"
    assert f"port {port}: process {os.getpid()}" in text
    assert text.endswith("line 497\nline 498\nline 499\n")
    assert "memory" in text
    assert f"{home}: " in text


def test_what_cannot_be_had_does_not_fail_it(home: Path, make_context: MakeContext) -> None:
    context = make_context(Allow(roots=(home,)))
    said = CollectStatus(log_files=(home / "missing.log",), processes={"name": "no-such-process"}).run(context)
    assert said == f"wrote down how things are, except last lines of {home}/missing.log"
    assert "0 found" in context.output.text()


def test_a_log_outside_is_refused(home: Path, make_context: MakeContext) -> None:
    (home / "logs").mkdir()
    (home / "logs" / "app.log").symlink_to("/etc/shadow")
    action = CollectStatus(log_files=(home / "logs" / "app.log",))
    assert [field for field, _ in action.refusals(Allow())] == ["log_files"]
    with pytest.raises(StepRefusedError, match="is a symlink"):
        action.run(make_context(Allow(roots=(home / "logs",))))
