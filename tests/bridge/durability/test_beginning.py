"""When a step has begun: at once, or once the program runs that it starts, which goes before whoever waits for it."""

import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from bridge.actions.backups.store import BackupLimits, BackupStore
from bridge.actions.base import Action, Allow, StepContext, StepError, StepOutcome
from bridge.actions.command import Command
from bridge.ledger.runs import Run, RunState
from bridge.policy.remediation import Step
from bridge.run.steps import Doing, Workshop
from tests.bridge import world


class Waits(Action):
    """Starts nothing."""

    inside: Any
    let_go: Any
    fails: bool = False

    def plan(self, context: StepContext) -> str:
        return "wait"

    def run(self, context: StepContext) -> str:
        self.inside.set()
        self.let_go.wait(10)
        if self.fails:
            raise StepError("it could not be started")
        self.start(context)
        return "waited"

    def start(self, context: StepContext) -> None:
        context.remaining()


class Starts(Waits):
    """Starts two programs."""

    @property
    def starts_program(self) -> bool:
        return True

    def start(self, context: StepContext) -> None:
        context.started(7)
        context.started(8)


@dataclass
class Heard:
    """What is told to whom, in order; the step may begin when it is asked."""

    said: list[str] = field(default_factory=list)
    kept: bool = True
    has_begun: threading.Event = field(default_factory=threading.Event)

    def wait(self) -> bool:
        return self.kept

    def begun(self) -> None:
        if "those who wait for the commit" not in self.said:
            self.said.append("those who wait for the commit")

    def noted(self, pid: int) -> None:
        self.has_begun.wait(0.3)  # it has not, before the first program is noted
        self.said.append(f"noted {pid}")

    def begins(self, doing: Doing) -> None:
        self.said.append(f"begins {doing.begins()}")
        self.has_begun.set()


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    remediation = world.policy().remediations[0]
    run = Run(1, "wait-a-bit", "web-1", "web-1", RunState.RUNNING, 1, world.episode(), episode_open=True)
    store = BackupStore(tmp_path, BackupLimits)
    return Workshop(run, remediation, Allow(), store, threading.Event())


def in_order(said: list[str]) -> list[str]:
    """Leave out the second program, which nobody waits for."""
    return [each for each in said if each != "noted 8"]


FIRST = "those who wait for the commit"


@pytest.mark.parametrize(
    ("kind", "fails", "before", "after"),
    [
        pytest.param(Waits, False, [FIRST, "begins True"], [], id="at once"),
        pytest.param(Starts, False, [], [FIRST, "noted 7", "begins True", "noted 8"], id="with its program"),
        pytest.param(Starts, True, [], [FIRST, "begins True"], id="with its end, where no program could be started"),
    ],
)
def test_it_begins(workshop: Workshop, kind: type[Waits], fails: bool, before: list[str], after: list[str]) -> None:
    heard, inside, let_go = Heard(), threading.Event(), threading.Event()
    step = Step("sample", kind, {"inside": inside, "let_go": let_go, "fails": fails})
    doing = workshop.start(step, heard.noted, heard)
    waits = threading.Thread(target=heard.begins, args=(doing,))
    waits.start()
    assert inside.wait(10)
    if before:
        waits.join(10)
    assert heard.said == before
    let_go.set()
    waits.join(10)
    end = doing.end()
    assert end.outcome is (StepOutcome.FAILED if fails else StepOutcome.SUCCEEDED)
    assert sorted(heard.said) == sorted(before + after)
    assert in_order(heard.said) == in_order(before + after)


def test_what_is_undone_never_begins(workshop: Workshop) -> None:
    heard, inside = Heard(kept=False), threading.Event()
    doing = workshop.start(Step("sample", Waits, {"inside": inside, "let_go": inside}), heard.noted, heard)
    assert not doing.begins()
    assert not inside.is_set()
    assert heard.said == []


class Late(Heard):
    """Lets it begin after longer than it may take."""

    def wait(self) -> bool:
        time.sleep(0.3)
        return True


def test_its_time_begins_when_it_does(workshop: Workshop) -> None:
    heard, let_go = Late(), threading.Event()
    let_go.set()
    step = Step("sample", Waits, {"inside": let_go, "let_go": let_go, "timeout": "200ms"})
    doing = workshop.start(step, heard.noted, heard)
    assert doing.begins()
    assert doing.end().outcome is StepOutcome.SUCCEEDED


@pytest.mark.parametrize(("changes", "at_once"), [((), True), ((Path("/srv/data"),), False)])
def test_a_command_starts_its_program_first_unless_something_is_copied_before(
    changes: tuple[Path, ...], at_once: bool
) -> None:
    assert Command(argv=("/usr/bin/true",), changes=changes).starts_program is at_once
