"""How a bridge ends and another begins: SIGTERM with its grace, survivors of a kill, and two over one ledger."""

import signal
import socket
import time

import psutil
import pytest

from tests.bridge.durability.process import BridgeProcess, eventually


def configuration(steps, grace):
    return f"""
limits: {{concurrent: 8, runs_per_hour: 1000, targets: {{max: 1000, window: 10m}}}}
shutdown_grace: {grace}
allow: {{commands: [/usr/bin/sleep, /usr/bin/mktemp]}}
notifiers: {{record: {{kind: log}}}}
remediations:
  - name: patient
    match: ['alertname="Down"']
    steps: {steps}
    verify: none
    max_retries: 1
    retry_delay: 1s
    escalate: [{{after_attempts: 2, to: [record]}}]
"""


@pytest.fixture
def started(tmp_path):
    made = []

    def start(steps, grace="20s"):
        bridge = BridgeProcess(tmp_path, configuration(steps, grace))
        made.append(bridge)
        bridge.start()
        return bridge

    yield start
    for bridge in made:
        bridge.close()


def steps_of(bridge):
    return [(row["attempt"], row["position"], row["outcome"]) for row in bridge.rows("SELECT * FROM steps ORDER BY id")]


def sleeping(bridge, seconds):
    """Return the step's own process, once it is there; another bridge may have one of the same name."""
    found = [each for each in psutil.Process(bridge.process.pid).children(recursive=True) if sleeps(each, seconds)]
    assert len(found) <= 1
    return found[0] if found else None


def sleeps(process, seconds):
    try:
        return process.cmdline() == ["/usr/bin/sleep", str(seconds)]
    except psutil.NoSuchProcess:
        return False


def works(process):
    """Tell whether a process is there, and is no corpse that nobody has fetched."""
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def begun(bridge):
    """Wait until a step is under way: one that is only journalled is taken back when the bridge ends."""
    eventually(lambda: "run started" in bridge.log())


def test_a_step_under_way_gets_the_grace_and_no_further_one_begins(started):
    bridge = started('[{command: {argv: [/usr/bin/sleep, "1.21"]}}, {wait: {duration: 1ms}}]')
    assert bridge.fire("web-1")
    eventually(lambda: sleeping(bridge, 1.21))
    assert bridge.terminate() == 0
    assert steps_of(bridge) == [(1, 0, "succeeded")]
    bridge.start()
    eventually(lambda: bridge.rows("SELECT 1 FROM runs WHERE outcome = 'unverified'"))
    assert steps_of(bridge) == [(1, 0, "succeeded"), (1, 1, "succeeded")]


def test_no_further_step_begins_while_a_slow_request_is_waited_for(started):
    """Half a request keeps the bridge for seconds: its runs once went on as long, and then had no grace."""
    bridge = started('[{command: {argv: [/usr/bin/sleep, "1.22"]}}, {wait: {duration: 1ms}}]')
    assert bridge.fire("web-1")
    eventually(lambda: sleeping(bridge, 1.22))
    with socket.create_connection(("127.0.0.1", bridge.port)) as slow:
        slow.sendall(b"POST /webhook HTTP/1.1\r\n")
        time.sleep(0.2)
        bridge.process.send_signal(signal.SIGTERM)
        eventually(lambda: steps_of(bridge)[0][2] is not None)
        time.sleep(0.2)
        assert bridge.process.poll() is None, "it was not waited for"
    assert bridge.process.wait(30) == 0
    assert steps_of(bridge) == [(1, 0, "succeeded")]


def test_what_takes_longer_than_the_grace_is_interrupted_on_record_and_told(started):
    bridge = started('[{command: {argv: [/usr/bin/sleep, "33.25"]}}]', grace="300ms")
    assert bridge.fire("web-1")
    child = eventually(lambda: sleeping(bridge, 33.25))
    assert bridge.terminate() == 0
    assert not works(child)
    assert steps_of(bridge) == [(1, 0, "interrupted")]
    bridge.start()
    eventually(lambda: bridge.rows("SELECT 1 FROM runs WHERE outcome = 'interrupted'"))
    assert bridge.rows("SELECT 1 FROM escalations")
    assert len(steps_of(bridge)) == 1


def test_what_is_idempotent_is_run_again_after_it_was_interrupted(started):
    bridge = started("[{wait: {duration: 3s}}]", grace="10ms")
    assert bridge.fire("web-1")
    begun(bridge)
    assert bridge.terminate() == 0
    bridge.start()
    eventually(lambda: bridge.rows("SELECT 1 FROM runs WHERE outcome = 'unverified'"))
    assert steps_of(bridge) == [(1, 0, "interrupted"), (2, 0, "succeeded")]


def test_what_outlives_a_killed_bridge_is_ended_before_its_host_is_touched_again(started, tmp_path):
    """Its program ignores SIGTERM, and has a child in a process group of its own."""
    program = tmp_path / "stubborn"
    program.write_text(f"""#!/bin/sh
set -m
trap '' TERM
echo $$ >> {tmp_path}/pids
sleep 71.5 & echo $! >> {tmp_path}/pids
wait; wait
sleep 71.5
""")
    program.chmod(0o700)
    configured = configuration(f"[{{command: {{argv: [{program}]}}}}]", "1s")
    bridge = started("[{wait: {duration: 1ms}}]")
    bridge.kill()
    head = bridge.file.read_text().partition("limits:")[0]
    bridge.file.write_text(head + configured.replace("/usr/bin/sleep", str(program)))
    bridge.start()
    assert bridge.fire("web-1")
    pids = eventually(
        lambda: (
            len(found := (tmp_path / "pids").read_text().split()) == 2 and found
            if (tmp_path / "pids").exists()
            else None
        )
    )
    survivors = [psutil.Process(int(pid)) for pid in pids]
    eventually(lambda: bridge.rows("SELECT 1 FROM steps WHERE pid IS NOT NULL"))
    bridge.kill()
    assert all(works(each) for each in survivors)
    bridge.start()
    eventually(lambda: bridge.rows("SELECT 1 FROM runs WHERE outcome = 'interrupted'"))
    assert not any(works(each) for each in survivors)
    (step,) = bridge.rows("SELECT * FROM steps")
    assert step["reason"].endswith(f"; its process {pids[0]} still ran, and was ended")
    assert bridge.rows("SELECT 1 FROM escalations")


def test_a_second_bridge_over_one_ledger_waits_and_takes_over(started, tmp_path):
    first = started(f"[{{command: {{argv: [/usr/bin/mktemp, {tmp_path}/mark.XXXXXX]}}}}]")
    second = BridgeProcess(
        tmp_path,
        configuration(f"[{{command: {{argv: [/usr/bin/mktemp, {tmp_path}/mark.XXXXXX]}}}}]", "1s"),
        name="second.yml",
    )
    try:
        second.start(ready=False)
        assert second.ask("GET", "/-/ready")[0] == 503
        assert not second.fire("web-1")
        assert first.fire("web-2")
        eventually(lambda: first.rows("SELECT 1 FROM runs WHERE outcome = 'unverified'"))
        first.kill()
        eventually(lambda: second.ask("GET", "/-/ready")[0] == 200)
        assert second.fire("web-3")
        eventually(lambda: len(second.rows("SELECT 1 FROM runs WHERE outcome = 'unverified'")) == 2)
        assert len(list(tmp_path.glob("mark.*"))) == 2
    finally:
        second.close()
