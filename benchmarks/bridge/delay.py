"""From the receipt of a notification to the start of its first step: `.venv/bin/python -m benchmarks.bridge.delay`.

The start itself is journalled before it: what is measured here is the end of the step, less the millisecond it waits.
"""

import tempfile
import time
from pathlib import Path

from benchmarks.bridge.alerts import body, hosts
from benchmarks.bridge.client import post_all
from tests.bridge.durability.process import BridgeProcess, eventually

CONFIGURATION = """
limits: {concurrent: 64, runs_per_hour: 1000000, targets: {max: 1000000, window: 10m}}
remediations:
  - name: restart
    match: ['alertname="Down"']
    steps: [{wait: {duration: 1ms}}]
    verify: none
"""
IDLE, LOADED = 100, 1000
UNDONE = "SELECT 1 FROM decisions WHERE due_at IS NOT NULL UNION ALL SELECT 1 FROM runs WHERE state != 'ended' LIMIT 1"


def delays(bridge: BridgeProcess, after: int) -> list[float]:
    """Return the delays of every episode after one, in ms, sorted."""
    query = f"""
        SELECT steps.ended_at - 0.001 - episodes.received_at AS delay FROM steps JOIN runs ON runs.id = steps.run_id
        JOIN episodes ON episodes.id = runs.episode_id WHERE episodes.id > {after}"""
    eventually(lambda: not bridge.rows(UNDONE), 120)
    return sorted(1000 * row["delay"] for row in bridge.rows(query))


def shown(name: str, found: list[float]) -> str:
    """Spell the middle and the tail."""
    return f"{name:24} p50 {found[len(found) // 2]:6.1f} ms   p99 {found[int(len(found) * 0.99)]:6.1f} ms"


def main() -> None:
    """Print each figure."""
    names = hosts("web")
    with tempfile.TemporaryDirectory() as folder:
        bridge = BridgeProcess(Path(folder), CONFIGURATION)
        try:
            bridge.start()
            post_all(bridge.port, [body(names) for _ in range(20)], 1)
            time.sleep(1)
            post_all(bridge.port, [body(names) for _ in range(IDLE)], 1, per_second=10)
            print(shown("idle", delays(bridge, 20)))
            post_all(bridge.port, [body(names) for _ in range(LOADED)], 16, per_second=200)
            print(shown("200 notifications/s", delays(bridge, 20 + IDLE)))
        finally:
            bridge.close()


if __name__ == "__main__":
    main()
