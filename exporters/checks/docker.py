"""Docker containers."""

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

from pydantic import Field, model_validator

from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Status
from remedy.config.extras import require

_NANO = 1e9
_PERIOD = 100_000
"""Microseconds: the kernel's own, where a quota says none."""


class Docker(Check):
    """Docker containers: stopped, unhealthy, restarted since the last look, or near their memory or cpu limit.

    Its value is the number of containers with something wrong. Containers that carry `job_label` (image builds,
    deployments) are expected to end: what counts of them is their exit code.

        - {name: containers, kind: docker, interval: 5m, timeout: 30s}
        - {name: api_container, kind: docker, containers: [api, db], max_memory_percent: 80, job_label: remedy.job}
    """

    groups: ClassVar[frozenset[str]] = frozenset({"docker"})

    containers: list[str] = Field(default=[], description="Names; else all containers there are.")
    job_label: str | None = Field(default=None, description="A label of containers that are jobs.")
    max_memory_percent: float = Field(default=90, gt=0, le=100, description="Of the container's memory limit.")
    max_cpu_percent: float = Field(default=90, gt=0, le=100, description="Of the container's cpu limit, or the host's.")
    url: str | None = Field(default=None, description="Such as unix:///run/docker.sock; else DOCKER_HOST's.")

    @model_validator(mode="after")
    def _has_its_library(self) -> "Docker":
        require("docker", "docker")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        docker: Any = require("docker", "docker")
        options = {"timeout": context.remaining()}
        try:
            client = docker.DockerClient(base_url=self.url, **options) if self.url else docker.from_env(**options)
        except docker.errors.DockerException as error:
            raise CheckError(f"Docker cannot be reached: {error}") from None
        try:
            found = {item.name: item for item in client.containers.list(all=True)}
            seen = {name: item for name, item in found.items() if not self.containers or name in self.containers}
            wrong = [f"{name} does not exist" for name in self.containers if name not in found]
            for name, container in seen.items():
                context.remaining()
                said = list(self._wrong(container, context.memory))
                wrong += [f"{name} {' and '.join(said)}"] if said else []
        finally:
            client.close()
        status = Status.UNHEALTHY if wrong else Status.HEALTHY
        message = "; ".join(wrong) or f"{len(seen)} containers are as they should be"
        return CheckResult(status, message, len(wrong), "containers", 0, {"containers": len(seen)})

    def _wrong(self, container: Any, memory: dict[str, Any]) -> Iterator[str]:
        state, labels = container.attrs["State"], container.labels
        if not state["Running"]:
            if self.job_label is None or self.job_label not in labels:
                yield f"is {state['Status']} (exit code {state['ExitCode']})"
            elif state["ExitCode"]:
                yield f"ended with exit code {state['ExitCode']}"
            return
        if state.get("Health", {}).get("Status") == "unhealthy":
            yield "is unhealthy, its own health check says"
        before = memory.get(container.id)
        stats = container.client.api.stats(container.id, stream=False, one_shot=True)
        started, restarts = state["StartedAt"], container.attrs["RestartCount"]
        used = (
            stats["cpu_stats"]["cpu_usage"]["total_usage"] / _NANO,
            stats["cpu_stats"].get("system_cpu_usage", 0) / _NANO,
        )
        memory[container.id] = (started, restarts, used)
        if before is not None and (started, restarts) != before[:2]:
            yield f"was restarted since the last look (at {started})"
        elif before is not None:
            yield from self._too_busy(container, stats, used, before[2])
        yield from self._too_big(container, stats)

    def _too_big(self, container: Any, stats: Any) -> Iterator[str]:
        limit = container.attrs["HostConfig"].get("Memory") or stats["memory_stats"].get("limit", 0)
        cache = stats["memory_stats"].get("stats", {}).get("inactive_file", 0)
        percent = 100 * (stats["memory_stats"].get("usage", 0) - cache) / limit if limit else 0
        if percent > self.max_memory_percent:
            yield f"uses {percent:.0f} % of its memory, over {self.max_memory_percent:g} %"

    def _too_busy(
        self, container: Any, stats: Any, now: tuple[float, float], before: tuple[float, float]
    ) -> Iterator[str]:
        online = stats["cpu_stats"].get("online_cpus") or 1
        passed = (now[1] - before[1]) / online
        allowed = _cpus(container.attrs["HostConfig"]) or online
        percent = 100 * (now[0] - before[0]) / passed / allowed if passed > 0 else 0
        if percent > self.max_cpu_percent:
            yield f"uses {percent:.0f} % of its cpu, over {self.max_cpu_percent:g} %"


def _cpus(limits: Mapping[str, Any]) -> float:
    """Return how many processors a container may use, as --cpus or --cpu-quota say it; 0 for no limit."""
    quota = limits.get("CpuQuota") or 0
    return (limits.get("NanoCpus") or 0) / _NANO or max(0, quota) / (limits.get("CpuPeriod") or _PERIOD)
