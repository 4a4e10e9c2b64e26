"""The tests' own engine changes nothing on this machine and leaves nothing running."""

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.compose.engine import CannotBeHad, running_engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def processes_about(folder: Path) -> Iterator[str]:
    for process in psutil.process_iter(["cmdline"]):
        command = " ".join(process.info["cmdline"] or [])
        if str(folder) in command:
            yield command


def test_nothing_is_left(tmp_path: Path) -> None:
    interfaces = psutil.net_if_addrs().keys()
    home = tmp_path / "engine"
    try:
        with running_engine(home) as engine:
            assert engine.docker("info", "--format", "{{.ServerVersion}}")
            assert any(processes_about(home))
            assert psutil.net_if_addrs().keys() == interfaces
    except CannotBeHad as why:
        pytest.skip(f"no Docker here: {why}")
    assert not list(processes_about(home))
    assert not home.exists()
    assert psutil.net_if_addrs().keys() == interfaces
