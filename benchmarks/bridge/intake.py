"""How fast notifications are taken, durably: `.venv/bin/python -m benchmarks.bridge.intake`.

Through gunicorn over loopback, in one run with the same Flask and gunicorn that answer 200 without doing anything.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from benchmarks.bridge.alerts import body, hosts
from benchmarks.bridge.client import Result, post_all
from tests.bridge.durability.process import BridgeProcess, eventually, free_port

CONNECTIONS = 16
SINGLE, GROUPS, GROUP = 3000, 100, 100
CONFIGURATION = """
limits: {concurrent: 4, runs_per_hour: 1000000, targets: {max: 5, window: 10m}}
remediations:
  - name: restart
    match: ['alertname="Down"', 'check="http_endpoint"']
    steps: [{wait: {duration: 1ms}}]
    verify: none
"""


def peer(bodies: list[bytes]) -> Result:
    """Measure what does nothing."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.bridge.peer", str(port)])
    try:
        idle = BridgeProcess(Path(tempfile.mkdtemp()), "", port)
        eventually(lambda: idle.ask("GET", "/-/ready")[0] == 200)
        idle.close()
        post_all(port, bodies[:200], CONNECTIONS)
        return post_all(port, bodies, CONNECTIONS)
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Print each figure."""
    names = hosts("web")
    single = [body(names) for _ in range(SINGLE)]
    groups = [body(names, GROUP) for _ in range(GROUPS)]
    nothing = peer(single)
    with tempfile.TemporaryDirectory() as folder:
        bridge = BridgeProcess(Path(folder), CONFIGURATION)
        try:
            bridge.start()
            post_all(bridge.port, [body(names) for _ in range(200)], CONNECTIONS)
            ours = post_all(bridge.port, single, CONNECTIONS)
            new = post_all(bridge.port, groups, CONNECTIONS)
            again = post_all(bridge.port, groups, CONNECTIONS)
        finally:
            bridge.close()
    assert ours.answered == SINGLE
    assert new.answered == again.answered == GROUPS
    print(f"doing nothing                     {nothing.rate:8.0f} notifications/s")
    print(f"single alerts, durable            {ours.rate:8.0f} notifications/s = {ours.rate / nothing.rate:.2f} of it")
    print(f"in notifications of {GROUP}: new      {new.rate * GROUP:8.0f} alerts/s")
    print(f"in notifications of {GROUP}: repeated {again.rate * GROUP:8.0f} alerts/s")


if __name__ == "__main__":
    main()
