"""Killed wherever it changes a file, an action leaves all as before or as after, and runs again to its end."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.bridge.actions.file_actions import ACTIONS


@pytest.mark.parametrize("name", [each.name for each in ACTIONS])
def test_killed_at_every_point(name: str, home: Path) -> None:
    argv = [sys.executable, "-m", "tests.bridge.actions.interrupting", name, str(home)]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["point"] for one in found if one["wrong"] or one["after again"]] == [], found
    assert [one["killed"] for one in found] == [True] * (len(found) - 1) + [False]
    assert found[-1]["exit"] == 0, done.stderr
