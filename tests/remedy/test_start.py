"""A start reads what the first fix needs, and little else: after a crash every fix waits for it."""

import subprocess
import sys

import pytest

CALLED = """
import gc, sys
from remedy.cli import cli
cli.get_command(None, {command!r})
print(gc.isenabled(), *{{module.partition(".")[0] for module in sys.modules}})
"""


@pytest.mark.parametrize(
    ("command", "left_out"),
    [("bridge", {"flask", "werkzeug", "rich", "pygments", "apprise", "docker"}), ("history", {"flask", "werkzeug"})],
)
def test_what_is_not_needed_yet_is_not_read(command: str, left_out: set[str]) -> None:
    code = CALLED.format(command=command)
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    collects, *modules = said.stdout.split()
    assert left_out.isdisjoint(modules)
    assert collects == "True"
    assert "structlog" in modules
