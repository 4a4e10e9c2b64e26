"""Recovery after kill -9, memory and idle CPU: `.venv/bin/python -m benchmarks.bridge.rest [EPISODES]`.

Idle with many open episodes is measured beside a real Alertmanager that lists all of them, over some minutes: the
questions about them come the less often the more there are.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.bridge.alerts import body, hosts
from benchmarks.bridge.client import post_all
from tests.bridge.durability.process import BridgeProcess, eventually
from tests.bridge.real_stack import alertmanager, post

QUEUED = 1000
OPEN, OPEN_SECONDS = 20_000, 420
CONFIGURATION = """
limits: {concurrent: 4, runs_per_hour: 1000000, targets: {max: 1000000, window: 10m}}
remediations:
  - {name: restart, match: ['alertname="Down"'], steps: [{wait: {duration: 1ms}}], verify: none}
  - {name: told, match: ['alertname="Told"'], auto_fix: false}
"""


def pss(bridge: BridgeProcess) -> float:
    """Return the proportional memory of all its processes, in MB."""
    return sum(process.memory_full_info().pss for process in bridge.pids()) / 1e6


def busy(bridge: BridgeProcess, seconds: float) -> float:
    """Return the share of one CPU that it takes, in percent."""

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in bridge.pids())

    before = used()
    time.sleep(seconds)
    return 100 * (used() - before) / seconds


def many_open(folder: Path) -> None:
    """Print what many open episodes cost that nobody fixes, and that Alertmanager lists."""
    peer = alertmanager(folder)
    peer.start()
    bridge = BridgeProcess(folder, f'alertmanagers: [{{url: "{peer.url}"}}]\n{CONFIGURATION}')
    names = hosts("open")
    try:
        bridge.start()
        for _ in range(OPEN // 1000):
            whole = body(names, 1000, "Told")
            post(peer, "/api/v2/alerts", [{"labels": alert["labels"]} for alert in json.loads(whole)["alerts"]])
            post_all(bridge.port, [whole], 1)
        time.sleep(10)
        used = busy(bridge, OPEN_SECONDS)
        print(f"idle with {OPEN} open            {pss(bridge):6.0f} MB, {used:.2f} % of a CPU")
    finally:
        bridge.close()
        peer.stop()
        peer.client.close()


def main() -> None:
    """Print each figure."""
    episodes = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    names = hosts("web")
    with tempfile.TemporaryDirectory() as folder:
        bridge = BridgeProcess(Path(folder), CONFIGURATION)
        pause = Path(folder) / "PAUSE"
        try:
            bridge.start()
            print(f"at rest                       {pss(bridge):6.0f} MB, {busy(bridge, 20):.2f} % of a CPU")
            pause.write_text("a benchmark")
            post_all(bridge.port, [body(names, 100) for _ in range(QUEUED // 100)], 4)
            eventually(lambda: not bridge.rows("SELECT 1 FROM decisions WHERE decision = 'pending' LIMIT 1"))
            bridge.kill()
            pause.unlink()
            began = time.time()  # the kernel's own start time is rounded to a second of the machine's start
            bridge.start()
            eventually(lambda: bridge.rows("SELECT 1 FROM steps LIMIT 1"))
            first = bridge.rows("SELECT min(started_at) AS at FROM steps")[0]["at"]
            print(f"kill -9 with {QUEUED} queued        first step {first - began:.2f} s after the process began")
            post_all(bridge.port, [body(names, 100, "Told") for _ in range(episodes // 100)], 8)
            time.sleep(10)
            print(f"after {episodes} episodes         {pss(bridge):6.0f} MB, {busy(bridge, 20):.2f} % of a CPU")
        finally:
            bridge.close()
    with tempfile.TemporaryDirectory() as folder:
        many_open(Path(folder))


if __name__ == "__main__":
    main()
