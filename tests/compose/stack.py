"""What docker-compose.yml starts, as tests look at it."""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from tests.compose.engine import Engine, run

Found = TypeVar("Found")


@dataclass(frozen=True)
class Stack:
    """A clone and the command that acts on it."""

    engine: Engine
    clone: Path
    compose: Sequence[str]

    def command(self, *arguments: str, timeout: float = 300) -> str:
        """Run Compose in the clone, as a person would; only the socket is not where it usually is."""
        env = {**self.engine.environment, "DOCKER_SOCKET": str(self.engine.socket)}
        return run([*self.compose, *arguments], env, cwd=self.clone, timeout=timeout)

    def containers(self) -> dict[str, dict[str, Any]]:
        """Describe every container, by its service."""
        ids = self.engine.docker("ps", "--all", "--quiet").split()
        found = json.loads(self.engine.docker("inspect", *ids)) if ids else []
        return {container["Config"]["Labels"]["com.docker.compose.service"]: container for container in found}

    def health(self) -> dict[str, str]:
        """Say how each service is: `healthy`, or what else; for those that only run once their exit code."""
        states = {name: container["State"] for name, container in self.containers().items()}
        return {
            name: state["Health"]["Status"] if "Health" in state else f"exit code {state['ExitCode']}"
            for name, state in states.items()
        }

    def inside(self, service: str, *argv: str) -> str:
        """Run a program in a service's container."""
        return self.engine.docker("exec", self.containers()[service]["Id"], *argv)

    def await_that(self, what: str, look: Callable[[], Found | None], seconds: float) -> Found:
        """Wait until `look` finds something; otherwise fail with what the containers say."""
        deadline = time.monotonic() + seconds
        while (found := look()) is None:
            if time.monotonic() > deadline:
                raise AssertionError(f"{what}: not within {seconds:g} s\n{self.health()}\n{self.logs()}")
            time.sleep(0.5)
        return found

    def logs(self) -> str:
        """Return what the containers said last."""
        return self.command("logs", "--no-color", "--tail=25")
