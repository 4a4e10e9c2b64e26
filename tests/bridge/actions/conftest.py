"""What the tests of actions share: a step's context, programs that may be allowed, a folder out of others' reach."""

import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bridge.actions.backups.store import BackupStore
from bridge.actions.base import Action, Allow, Output, StepContext
from tests.bridge.notifiers.conftest import server as server  # noqa: PLC0414 - a fixture that actions share

MakeContext = Callable[..., StepContext]
MakeScript = Callable[[str, str], Path]


def back_up_and_run(action: Action, context: StepContext) -> str:
    """Do what a run does with a step: copy what it will change, then run it."""
    BackupStore(context.backups.parent).keep(action, "a_step", context)
    return action.run(context)


@pytest.fixture
def home() -> Iterator[Path]:
    """A real folder (no symlink in its path) that only we may write to."""
    folder = Path(tempfile.mkdtemp(prefix="remedy-")).resolve()
    yield folder
    shutil.rmtree(folder)


@pytest.fixture
def make_context(home: Path) -> MakeContext:
    """Make a context; `seconds` is the time that the step has."""

    def make(
        allow: Allow | None = None, seconds: float = 20, labels: dict[str, str] | None = None, run: int = 1
    ) -> StepContext:
        return StepContext(
            labels=labels or {},
            target="web-1",
            host="web-1",
            allow=allow or Allow(),
            backups=home / "backups" / str(run),
            deadline=time.monotonic() + seconds,
            stop=threading.Event(),
            output=Output(),
        )

    return make


@pytest.fixture
def make_script(home: Path) -> MakeScript:
    """Write an executable script of ours and give its path."""

    def make(name: str, text: str) -> Path:
        script = home / name
        script.write_text(text)
        script.chmod(0o755)
        return script

    return make
