"""A whole fleet alerts within one second: all of it is acknowledged, few hosts are touched, people are told once."""

import concurrent.futures

import pytest

from tests.bridge.durability.process import BridgeProcess, eventually
from tests.bridge.world import alert, notification

HOSTS, ALLOWED = 10_000, 5
CONFIGURATION = f"""
limits: {{concurrent: 4, runs_per_hour: 1000, targets: {{max: {ALLOWED}, window: 10m}}}}
notifiers: {{record: {{kind: log}}}}
remediations:
  - name: restart
    match: ['alertname="Down"']
    steps: [{{wait: {{duration: 1ms}}}}]
    verify: none
    escalate: [{{after_attempts: 3, to: [record]}}]
"""
ANNOTATIONS = {"summary": "The check http_endpoint fails on this host", "description": "It failed. " * 30}
UNDECIDED = """
    SELECT 1 FROM decisions WHERE decision = 'pending'
    UNION ALL SELECT 1 FROM runs WHERE state != 'ended' LIMIT 1
"""

DECIDED = "SELECT decision, count(*) AS count FROM decisions WHERE current GROUP BY decision"


def body(first: int, count: int) -> bytes:
    labels = ({"alertname": "Down", "instance": f"web-{first + n}:9100", "job": "node"} for n in range(count))
    return notification(*(alert(each, annotations=ANNOTATIONS) for each in labels))


@pytest.mark.parametrize("bodies", [1, 100], ids=["in one notification", "in a hundred at once"])
def test_a_storm_is_acknowledged_touches_few_hosts_and_is_told_once(tmp_path, bodies):
    size = HOSTS // bodies
    storm = [body(number * size, size) for number in range(bodies)]
    assert sum(map(len, storm)) > 6_000_000, "as large as a real one"
    bridge = BridgeProcess(tmp_path, CONFIGURATION)
    try:
        bridge.start()
        with concurrent.futures.ThreadPoolExecutor(min(bodies, 16)) as pool:
            answers = list(pool.map(lambda each: bridge.ask("POST", "/webhook", each), storm))
        assert {status for status, _ in answers} == {200}
        assert sum(receipt["accepted"] for _, receipt in answers) == HOSTS
        eventually(lambda: not bridge.rows(UNDECIDED), 60)
        decided = {row["decision"]: row["count"] for row in bridge.rows(DECIDED)}
        (touched,) = bridge.rows("SELECT count(DISTINCT host) AS hosts FROM runs JOIN steps ON run_id = runs.id")
        told = bridge.rows("SELECT level, notifier FROM escalations")
    finally:
        bridge.close()
    assert touched["hosts"] == ALLOWED
    assert decided.pop("run") == ALLOWED
    assert set(decided) <= {"breaker_open", "limited"}, "held, and looked at again"
    assert sum(decided.values()) == HOSTS - ALLOWED
    assert [tuple(row) for row in told] == [("after_attempts:3", "record")]
