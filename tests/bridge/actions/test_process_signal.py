"""`process_signal`: exactly those that are meant, held while they are looked at.

Every process here has a name that nobody else has, and only that name is ever allowed.
"""

import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from pydantic import ValidationError

from bridge.actions.base import Allow, StepError, StepRefusedError
from bridge.actions.host.processes import hold
from bridge.actions.process_signal import ProcessSignal
from tests.bridge.actions.conftest import MakeContext, MakeScript

SAYS_HUP = '#!/bin/sh\ntrap "echo hup" HUP\necho up\nwhile :; do sleep 0.05; done\n'
HEARS_HUP = ("env", "--default-signal=HUP")
"""A shell cannot trap what was ignored when it began, as under nohup."""
DEAF = '#!/bin/sh\ntrap "" TERM\necho up\nwhile :; do sleep 0.05; done\n'


class Running:
    """A script that runs under a name of its own."""

    def __init__(self, script: Path, argument: str) -> None:
        self.process = subprocess.Popen(
            [*HEARS_HUP, script, argument], stdout=subprocess.PIPE, text=True, start_new_session=True, bufsize=1
        )
        assert self.said() == "up"

    def said(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def end(self) -> None:
        if self.process.poll() is None:  # not reaped yet, so its number is still its own
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        assert self.process.stdout
        self.process.stdout.close()


Start = Callable[..., Running]


@pytest.fixture
def name() -> str:
    return f"rmd-{os.urandom(4).hex()}"


@pytest.fixture
def start(name: str, make_script: MakeScript) -> Iterator[Start]:
    with ExitStack() as running:

        def begin(text: str = SAYS_HUP, argument: str = "one") -> Running:
            found = Running(make_script(name, text), argument)
            running.callback(found.end)
            return found

        yield begin


def test_the_signal_arrives(name: str, start: Start, make_context: MakeContext) -> None:
    running = start()
    action = ProcessSignal(processes={"name": name}, signal="HUP")
    context = make_context(Allow(processes=frozenset({name})))
    assert f"process {running.process.pid} " in action.plan(context)
    assert action.run(context) == "sent SIGHUP to 1 processes"
    assert running.said() == "hup"


def test_term_becomes_kill(name: str, start: Start, make_context: MakeContext) -> None:
    running = start(DEAF)
    context = make_context(Allow(processes=frozenset({name})))
    ProcessSignal(processes={"name": name}, grace="100ms").run(context)
    assert running.process.wait(5) == -signal.SIGKILL
    assert "got SIGKILL" in context.output.text()


def test_the_command_line_tells_apart(name: str, start: Start, make_context: MakeContext) -> None:
    one, two = start(argument="one"), start(argument="two")
    context = make_context(Allow(processes=frozenset({name})))
    ProcessSignal(processes={"name": name, "command_line": " two$"}, grace="2s").run(context)
    assert two.process.wait(5) == -signal.SIGTERM
    assert one.process.poll() is None


@pytest.mark.parametrize(
    ("keys", "allowed", "error", "why"),
    [
        ({"processes": {"name": "NAME"}}, set(), StepRefusedError, "names no process"),
        ({"processes": {"name": "NAME"}}, {"other"}, StepRefusedError, "is not in allow"),
        ({"processes": {"command_line": "NAME"}}, {"other"}, StepRefusedError, "is not in allow"),
        ({"processes": {"name": "NAME"}, "most": 1}, {"NAME"}, StepRefusedError, "2 processes"),
        ({"processes": {"name": "NAME", "user": "nobody"}}, {"NAME"}, StepError, "there is no process"),
        ({"processes": {"name": "NAME", "command_line": "three"}}, {"NAME"}, StepError, "there is no process"),
    ],
)
def test_all_or_none(
    keys: dict[str, object], allowed: set[str], error: type[StepError], why: str, request: pytest.FixtureRequest
) -> None:
    name, start = request.getfixturevalue("name"), request.getfixturevalue("start")
    both = start(), start(argument="two")
    processes = {key: value.replace("NAME", name) for key, value in dict(keys["processes"]).items()}
    action = ProcessSignal.model_validate({**keys, "processes": processes, "signal": "KILL"})
    allow = Allow(processes=frozenset(word.replace("NAME", name) for word in allowed))
    with pytest.raises(error, match=why):
        action.run(request.getfixturevalue("make_context")(allow))
    assert [running.process.poll() for running in both] == [None, None]


@pytest.mark.parametrize(
    "processes",
    [{}, {"user": "root"}, {"name": ""}, {"name": "a b"}, {"command_line": "("}, {"name": "a\nb"}],
)
def test_what_describes_nothing_is_refused(processes: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ProcessSignal(processes=processes)


def test_a_held_process_is_not_another_one_later(name: str, start: Start) -> None:
    running = start()
    held = hold(running.process.pid)
    assert held is not None
    with held:
        running.end()
        assert held.ended()
        held.signal(signal.SIGKILL)  # its number may be another's by now: nothing happens
    assert hold(running.process.pid) is None
