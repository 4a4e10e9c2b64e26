"""How fast notifications are taken, durably: `.venv/bin/python -m benchmarks.bridge.intake`.

Through gunicorn over loopback, in one run with the same Flask and gunicorn that answer 200 without doing anything: both
are served all the time and take turns, a slice each, so that whatever else the machine does weighs on both. The CPU
seconds of the two say the same with less noise. What is new is decided on while more comes; that is counted in.
"""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.bridge.alerts import body, hosts
from benchmarks.bridge.client import post_all
from tests.bridge.durability.process import BridgeProcess, eventually, free_port

CONNECTIONS = 16
SLICES, SLICE, GROUPS, GROUP = 8, 500, 100, 100
CONFIGURATION = """
limits: {concurrent: 4, runs_per_hour: 1000000, targets: {max: 5, window: 10m}}
remediations:
  - name: restart
    match: ['alertname="Down"', 'check="http_endpoint"']
    steps: [{wait: {duration: 1ms}}]
    verify: none
"""
PENDING = "SELECT 1 FROM decisions WHERE decision = 'pending' LIMIT 1"


@dataclass
class Served:
    """A service under load: what it answered, in how many seconds, with how many of a CPU's."""

    port: int
    process: psutil.Process
    answered: int = 0
    seconds: float = 0.0
    cpu: float = 0.0

    def post(self, bodies: list[bytes]) -> None:
        """Post bodies and add up what it took."""
        before = self._used()
        result = post_all(self.port, bodies, CONNECTIONS)
        self.cpu += self._used() - before
        self.answered += result.answered
        self.seconds += result.seconds
        assert result.answered == len(bodies)

    @property
    def rate(self) -> float:
        """Notifications a second."""
        return self.answered / self.seconds

    @property
    def cost(self) -> float:
        """CPU milliseconds of a notification."""
        return 1000 * self.cpu / self.answered

    def fresh(self) -> "Served":
        """Return the same service with nothing counted."""
        return Served(self.port, self.process)

    def _used(self) -> float:
        return sum(sum(each.cpu_times()[:2]) for each in [self.process, *self.process.children()])


@contextmanager
def nothing() -> Iterator[Served]:
    """Serve what does nothing."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bridge.peer", str(port)])
    with tempfile.TemporaryDirectory() as folder:
        asked = BridgeProcess(Path(folder), "", port)
        try:
            eventually(lambda: asked.ask("GET", "/-/ready")[0] == 200)
            yield Served(port, psutil.Process(process.pid))
        finally:
            asked.close()
            process.terminate()
            process.wait()


@contextmanager
def durable() -> Iterator[tuple[Served, BridgeProcess]]:
    """Serve the bridge."""
    with tempfile.TemporaryDirectory() as folder:
        bridge = BridgeProcess(Path(folder), CONFIGURATION)
        try:
            bridge.start()
            yield Served(bridge.port, bridge.pids()[0]), bridge
        finally:
            bridge.close()


def main() -> None:
    """Print each figure."""
    names = hosts("web")
    groups = [body(names, GROUP) for _ in range(GROUPS)]
    with nothing() as idle, durable() as (ours, bridge):
        for each in (idle, ours):
            each.fresh().post([body(names) for _ in range(200)])
        for _ in range(SLICES):
            for each in (idle, ours):
                each.post([body(names) for _ in range(SLICE)])
        new, again = ours.fresh(), ours.fresh()
        new.post(groups)
        eventually(lambda: not bridge.rows(PENDING))
        again.post(groups)
    cheap = f"{ours.rate / idle.rate:.2f} of it, by CPU {idle.cost / ours.cost:.2f}"
    print(f"doing nothing                     {idle.rate:8.0f} notifications/s, {idle.cost:.2f} ms of a CPU each")
    print(f"single alerts, durable            {ours.rate:8.0f} notifications/s, {ours.cost:.2f} ms; {cheap}")
    for name, served in (("new", new), ("repeated", again)):
        share = served.cost / GROUP
        print(
            f"in notifications of {GROUP}: {name:8} {served.rate * GROUP:8.0f} alerts/s, {share:.3f} ms of a CPU each"
        )


if __name__ == "__main__":
    main()
