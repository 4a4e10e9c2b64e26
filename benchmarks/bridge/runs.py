"""How fast runs of 3 no-op steps go, journalled and durable: `.venv/bin/python -m benchmarks.bridge.runs`.

In one process and in one run with what this disk does: 4 KiB appended and fdatasync'ed, one after the other.
"""

import logging
import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import structlog
from prometheus_client import CollectorRegistry

from benchmarks.bridge.alerts import body, hosts
from bridge.actions.base import Action, StepContext
from bridge.core import Bridge
from bridge.decision.payload import parse_notification
from bridge.policy.remediation import Policy, Step
from tests.bridge import world
from tests.bridge.durability.process import eventually

RUNS, STEPS = 2000, 3
CONFIGURATION = """
limits: {concurrent: 64, runs_per_hour: 1000000, targets: {max: 1000000, window: 10m}}
remediations:
  - name: nothing
    match: ['alertname="Down"']
    steps: [{wait: {duration: 1ms}}]
    verify: none
"""


class Nothing(Action):
    """Do nothing."""

    idempotent = True

    def plan(self, context: StepContext) -> str:
        """Say so."""
        del context
        return "nothing"

    def run(self, context: StepContext) -> str:
        """Do nothing."""
        del context
        return "nothing"


def policy(folder: Path) -> Policy:
    """Make a policy whose steps do nothing."""
    read = world.policy(CONFIGURATION, folder / "ledger.db")
    steps = (Step("nothing", Nothing, {}),) * STEPS
    return replace(read, remediations=tuple(replace(each, steps=steps) for each in read.remediations))


def disk(folder: Path, seconds: float = 2.0) -> float:
    """Return how many appends a second the disk makes durable."""
    with (folder / "appended").open("ab", buffering=0) as file:
        count, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            file.write(bytes(4096))
            os.fdatasync(file.fileno())
            count += 1
    return count / seconds


def main() -> None:
    """Print each figure."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        appends = disk(folder)
        bridge = Bridge(policy(folder), CollectorRegistry())
        bridge.start()
        notification = parse_notification(body(hosts("web"), RUNS))
        start = time.monotonic()
        bridge.receive(notification)
        ended = bridge.metrics.runs.labels("nothing", "unverified")
        eventually(lambda: ended._value.get() >= RUNS, 60)
        rate = RUNS / (time.monotonic() - start)
        bridge.stop()
    print(f"append + fdatasync  {appends:6.0f}/s")
    print(f"runs of {STEPS} steps     {rate:6.0f}/s = {rate / appends:.2f} of it")


if __name__ == "__main__":
    main()
