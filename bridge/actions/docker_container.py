"""Restart, start or stop a Docker container."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self

import requests
from pydantic import StringConstraints, model_validator

from bridge.actions.base import Action, Allow, StepContext, StepError, StepRefusedError, StepTimeoutError
from remedy.config.durations import Duration, format_duration
from remedy.config.extras import require

if TYPE_CHECKING:
    import docker
    import docker.errors
    import docker.utils
else:
    docker = require("docker", "docker")

ContainerName = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]+$", max_length=255)]
"""Docker's own form of a name."""
ContainerLabel = Annotated[str, StringConstraints(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9._/-]*(=[a-zA-Z0-9._/:@+-]*)?$")]
"""`key` or `key=value`."""
_FORBIDDEN, _NOT_FOUND = 403, 404


class Operation(StrEnum):
    """What is done to the container."""

    RESTART = "restart"
    START = "start"
    STOP = "stop"


class DockerContainer(Action):
    """Restart, start or stop a Docker container, by its name or by a label.

    **Changes** whether the container runs; its configuration, image and volumes stay as they are. **Needs** its name in
    `allow.containers`, or the image that it was made from, as it was named then, in `allow.images`; the extra `docker`;
    and an engine to talk to: `DOCKER_HOST` (with `DOCKER_TLS_VERIFY` and `DOCKER_CERT_PATH`) in the bridge's
    environment, else Docker's own socket. **Idempotent**: yes. **Backed up**: nothing.

    Whoever may use Docker's socket is root on its host, so give the bridge a proxy which lets little through, as
    deploy/compose/haproxy.cfg does: `GET /version`, and `GET …/json` and `POST …/restart` of the one container. A label
    needs the list, `GET /containers/json`, as well.

    A container is looked at again after `settle`: one that has ended by then is a failed step. With a label, every
    container that carries it is meant, and nothing is touched unless all of them are allowed. The container that the
    bridge itself runs in is refused.

    Example:
        - docker_container: {name: shop-api, operation: restart, grace: 10s}
    """

    idempotent: ClassVar[bool] = True
    groups: ClassVar[frozenset[str]] = frozenset({"docker"})

    name: ContainerName | None = None
    """The container's name; ids are not taken."""
    label: ContainerLabel | None = None
    """A label instead of a name: `key` or `key=value`."""
    operation: Operation = Operation.RESTART
    """`restart`, `start` or `stop`."""
    grace: Duration = timedelta(seconds=10)
    """How long the container may take to end by itself before it is killed."""
    settle: Duration = timedelta(seconds=2)
    """How long after the operation the container is looked at again."""

    @model_validator(mode="after")
    def _one_way_to_find_it(self) -> Self:
        if (self.name is None) == (self.label is None):
            raise ValueError("takes exactly one of name and label")
        return self

    def refusals(self, allow: Allow) -> Iterator[tuple[str, str]]:
        """Yield that the container is not allowed; with a label, that none is."""
        if allow.images:
            return  # what a container was made from is seen when it is looked at
        if self.name is not None and self.name not in allow.containers:
            yield "name", f"the container '{self.name}' is not in allow.containers"
        if self.label is not None and not allow.containers:
            yield "label", "allow.containers names no container"

    def plan(self, context: StepContext) -> str:
        """Name the operation and the container."""
        del context
        grace = (
            "" if self.operation is Operation.START else f", killing it if it has not ended by itself in {self._grace}"
        )
        which = f"the container '{self.name}'" if self.name else f"every container with the label '{self.label}'"
        return f"{self.operation} {which}{grace}"

    @property
    def _grace(self) -> str:
        return format_duration(self.grace)

    def run(self, context: StepContext) -> str:
        """Do it to every container that is meant, then look at each again."""
        self.refuse(context)
        with _engine(context) as engine:
            names = self._names(engine)
            for name in names:
                _check(engine, name, context.allow)
            for name in names:
                self._operate(engine, name, context)
            context.pause(self.settle.total_seconds())
            said = [self._look_again(engine, name, context) for name in names]
        return "; ".join(said)

    def _names(self, engine: "docker.APIClient") -> list[str]:
        if self.name is not None:
            return [self.name]
        found = engine.containers(all=True, filters={"label": self.label})
        if not found:
            raise StepError(f"no container has the label '{self.label}'")
        return sorted(_own_name(container["Names"]) for container in found)

    def _operate(self, engine: "docker.APIClient", name: str, context: StepContext) -> None:
        left = context.remaining()
        grace = math.ceil(min(self.grace.total_seconds(), left))
        engine.timeout = max(1, math.ceil(left) - grace)  # the library adds the grace to it
        match self.operation:
            case Operation.RESTART:
                engine.restart(name, timeout=grace)
            case Operation.STOP:
                engine.stop(name, timeout=grace)
            case Operation.START:
                engine.start(name)
        context.output.say(f"POST /containers/{name}/{self.operation}: accepted")

    def _look_again(self, engine: "docker.APIClient", name: str, context: StepContext) -> str:
        state = _inspect(engine, name)["State"]
        status, code = str(state["Status"]), state.get("ExitCode")
        context.output.say(f"{name}: {status}, exit code {code}, started at {state.get('StartedAt')}")
        if self.operation is Operation.STOP:
            if state["Running"]:
                raise StepError(f"the container '{name}' runs again after stop ({status})")
            return f"the container '{name}' is stopped"
        if status != "running":
            raise StepError(f"the container '{name}' did not stay up: it is {status}, exit code {code}", exit_code=code)
        return f"the container '{name}' runs after {self.operation}"


@contextmanager
def _engine(context: StepContext) -> Iterator["docker.APIClient"]:
    """Connect to the engine; what goes wrong with it inside becomes a sentence."""
    settings = docker.utils.kwargs_from_env()
    where = settings.get("base_url", "Docker's own socket")
    engine = None
    try:
        engine = docker.APIClient(**settings, timeout=max(1, math.floor(context.remaining())))
        yield engine
    except docker.errors.APIError as error:
        raise _as_step_error(error, str(where)) from None
    except requests.exceptions.Timeout:
        raise StepTimeoutError(f"Docker at {where} did not answer in time") from None
    except requests.exceptions.RequestException as error:
        raise StepError(f"Docker at {where} cannot be reached: {error}") from None
    except docker.errors.DockerException as error:
        raise StepError(f"Docker at {where} cannot be used: {error}") from None
    finally:
        if engine is not None:
            engine.close()


def _as_step_error(error: "docker.errors.APIError", where: str) -> StepError:
    why = str(error.explanation or error).strip()
    if error.status_code == _FORBIDDEN:
        return StepRefusedError(f"what stands before Docker at {where} does not allow it: {why}")
    if error.status_code == _NOT_FOUND:
        return StepError(f"Docker at {where} does not find it: {why}")
    return StepError(f"Docker at {where} says: {why}")


def _own_name(names: list[str]) -> str:
    """Pick a container's own name (`/shop`) from those that linked containers call it (`/web/shop`)."""
    return min(names, key=lambda name: name.count("/")).removeprefix("/")


def _inspect(engine: "docker.APIClient", name: str) -> dict[str, Any]:
    """Describe a container; Docker would take an id or the beginning of one for a name, we do not."""
    found: dict[str, Any] = engine.inspect_container(name)
    if found["Name"] != f"/{name}":
        raise StepError(f"there is no container named '{name}'")
    return found


def _check(engine: "docker.APIClient", name: str, allow: Allow) -> None:
    if name not in allow.containers and not allow.images:
        raise StepRefusedError(f"the container '{name}' is not in allow.containers")
    found = _inspect(engine, name)
    image = found.get("Config", {}).get("Image")
    if name not in allow.containers and image not in allow.images:
        raise StepRefusedError(
            f"the container '{name}' is not in allow.containers, nor its image '{image}' in allow.images"
        )
    if _is_ours(found["Id"], Path("/proc/self/mountinfo")):
        raise StepRefusedError(f"the bridge itself runs in the container '{name}'")


def _is_ours(container_id: str, mounts: Path) -> bool:
    """Tell whether we run in a container: Docker mounts its hostname file from a folder named like its id."""
    fields = [line.split(" ") for line in mounts.read_text(encoding="utf-8", errors="replace").splitlines()]
    return any(container_id in source for _, _, _, source, point, *_ in fields if point == "/etc/hostname")
