"""For all tests: what a test starts is gone when the tests end."""

import os
import secrets
from contextlib import suppress

import psutil
import pytest
from hypothesis import settings

from remedy.config.logger import structlog

settings.register_profile("tests", deadline=None)  # a busy machine is no defect
settings.load_profile("tests")

_MARK = "REMEDY_TESTS"
_GRACE = 20.0
"""Seconds for what is just ending; what takes longer is said of whichever test came last."""


@pytest.fixture(scope="session", autouse=True)
def _nothing_is_left_running(tmp_path_factory):
    """Find what is left: by a variable that children inherit, or by the tests' folder in its command line."""
    mark = os.environ[_MARK] = secrets.token_hex(8)
    folder = str(tmp_path_factory.getbasetemp())
    yield
    _, left = psutil.wait_procs(_ours(mark, folder), timeout=_GRACE)
    spelled = {}
    for process in left:
        with suppress(psutil.NoSuchProcess):  # it has ended just now
            spelled[process.pid] = " ".join(process.cmdline())
            process.kill()
    assert not spelled, f"still running after the tests: {spelled}"


@pytest.fixture(autouse=True)
def _logs_are_as_before():
    """Undo what a command that was called in this process has configured: another test looks for what it would hide."""
    yield
    structlog.reset_defaults()


def _ours(mark: str, folder: str) -> list[psutil.Process]:
    found = []
    for process in psutil.process_iter():
        try:
            argv = " ".join(process.cmdline())
            marked = process.environ().get(_MARK) == mark or folder in argv
        except psutil.Error:
            continue
        if marked and process.pid != os.getpid() and "multiprocessing.resource_tracker" not in argv:
            found.append(process)
    return found
