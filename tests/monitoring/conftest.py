"""The shipped files, and the tools that check them."""

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

Tool = Callable[..., str]


@pytest.fixture(scope="session")
def shipped() -> Path:
    """Return the folder that people copy."""
    return Path(__file__).parents[2] / "monitoring"


@pytest.fixture(scope="session")
def rules(shipped: Path) -> list[dict[str, Any]]:
    """Return the alerting rules, in order."""
    groups = yaml.safe_load((shipped / "alert_rules.yml").read_text(encoding="utf-8"))["groups"]
    return [rule | {"group": group["name"]} for group in groups for rule in group["rules"]]


@pytest.fixture(scope="session")
def tool() -> Tool:
    """Return a way to run promtool or amtool that gives what it prints, and fails with it when it does not succeed."""

    def run(*argv: str | Path) -> str:
        done = subprocess.run([str(word) for word in argv], capture_output=True, text=True, timeout=60, check=False)
        assert done.returncode == 0, f"{argv}:\n{done.stdout}{done.stderr}"
        return done.stdout

    return run
