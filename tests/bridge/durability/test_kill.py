"""`kill -9` at random moments under load: nothing acknowledged is lost, no step runs twice, nothing is stuck."""

import random
import threading
import time
from collections import Counter

import pytest

from tests.bridge.durability.process import BridgeProcess, eventually

SENDERS = 2
UNDONE = """
    SELECT 1 FROM runs WHERE state != 'ended'
    UNION ALL SELECT 1 FROM decisions WHERE due_at IS NOT NULL AND current LIMIT 1
"""


def configuration(folder):
    marks = f"{folder}/marks/{{{{ labels.instance | host }}}}"
    return f"""
limits: {{concurrent: 8, runs_per_hour: 1000000, targets: {{max: 1000000, window: 10m}}}}
allow: {{commands: [/usr/bin/mktemp]}}
notifiers: {{record: {{kind: log}}}}
remediations:
  - name: mark
    match: ['alertname="Down"']
    steps:
      - command: {{argv: [/usr/bin/mktemp, "{marks}.first.XXXXXX"]}}
      - wait: {{duration: 5ms}}
      - command: {{argv: [/usr/bin/mktemp, "{marks}.last.XXXXXX"]}}
    verify: none
    max_retries: 1
    retry_delay: 1s
    escalate: [{{after_attempts: 2, to: [record]}}]
"""


class Load:
    """Sends alerts of ever new hosts, and knows which of them were acknowledged."""

    def __init__(self, bridge: BridgeProcess) -> None:
        self.acknowledged: list[str] = []
        self._bridge, self._stop, self._numbers = bridge, threading.Event(), iter(range(10**9))
        self._threads = [threading.Thread(target=self._send) for _ in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _send(self) -> None:
        while not self._stop.wait(0.05):
            hosts = [f"h{next(self._numbers)}" for _ in range(3)]
            if self._bridge.fire(*hosts):
                self.acknowledged += hosts

    def end(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def drill(tmp_path, kills, seed, calm):
    (tmp_path / "marks").mkdir()
    chance = random.Random(seed)
    bridge = BridgeProcess(tmp_path, configuration(tmp_path))
    try:
        bridge.start()
        load = Load(bridge)
        try:
            for _ in range(kills):
                time.sleep(chance.uniform(0.05, calm))
                if chance.random() < 0.3 and len(bridge.pids()) > 1:
                    bridge.pids()[1].kill()  # the worker alone: its parent starts another one
                    eventually(lambda: bridge.ask("GET", "/-/ready")[0] == 200)
                else:
                    bridge.kill()
                    bridge.start()
        finally:
            load.end()
        eventually(lambda: not bridge.rows(UNDONE), 120 + 20 * kills)
        return bridge, load.acknowledged
    finally:
        bridge.close()


def judge(bridge, acknowledged):
    """Count what must be none, and see that what was interrupted is shown and told."""
    known = {row["host"] for row in bridge.rows("SELECT host FROM decisions")}
    assert set(acknowledged) <= known, "lost"
    marks = Counter(file.name.rsplit(".", 1)[0] for file in (bridge.folder / "marks").iterdir())
    rows = bridge.rows("SELECT id, host, outcome, attempts FROM runs")
    assert len(rows) == len(known) == len({row["host"] for row in rows}), "stuck, or run twice"
    outcomes = Counter(row["outcome"] for row in rows)
    assert set(outcomes) <= {"unverified", "interrupted", "failed"}
    twice = {name: count for name, count in marks.items() if count > 1}
    again = {row["host"] for row in rows if row["attempts"] > 1}
    """The wait between the marks is idempotent: where it was interrupted, the next attempt begins anew, on record."""
    assert {name.split(".")[0] for name in twice} <= again
    for row in rows:
        if row["outcome"] == "unverified":
            assert marks[f"{row['host']}.first"] == row["attempts"]
            assert marks[f"{row['host']}.last"] == 1
    shown = {row["run_id"] for row in bridge.rows("SELECT run_id FROM steps WHERE outcome = 'interrupted'")}
    told = {row["run_id"] for row in bridge.rows("SELECT run_id FROM escalations")}
    interrupted = {row["id"] for row in rows if row["outcome"] != "unverified"}
    assert interrupted <= shown
    assert interrupted <= told
    return outcomes


def test_kills_at_random_moments(tmp_path):
    bridge, acknowledged = drill(tmp_path, kills=2, seed=1, calm=0.6)
    outcomes = judge(bridge, acknowledged)
    assert outcomes["unverified"] > 5


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_many_kills_at_random_moments(tmp_path, seed):
    bridge, acknowledged = drill(tmp_path, kills=20, seed=seed, calm=2.0)
    outcomes = judge(bridge, acknowledged)
    print(f"seed {seed}: {len(acknowledged)} acknowledged, {outcomes}")
    assert outcomes["unverified"] > 5
