"""A signal and a request may want the same: of two reloads at once the one that read last holds."""

import threading
from pathlib import Path

from bridge.policy.loading import load_policy
from bridge.policy.remediation import Policy
from bridge.service import BridgeService


def test_of_two_reloads_at_once_what_was_read_last_holds(tmp_path: Path) -> None:
    file = tmp_path / "remediation.yml"
    reading, gate = threading.Event(), threading.Event()

    def write(name: str) -> None:
        steps = "steps: [{wait: {duration: 1s}}]"
        file.write_text(
            f"database: sqlite:///{tmp_path}/ledger.db\n"
            f"remediations: [{{name: {name}, match: 'alertname=\"Down\"', {steps}}}]\n"
        )
        file.chmod(0o600)

    def load() -> Policy:
        policy = load_policy(file)
        if threading.current_thread().name == "first":
            reading.set()
            assert gate.wait(10)
        return policy

    write("before")
    service = BridgeService(file, load=load)
    service.start()
    try:
        write("first")
        first = threading.Thread(target=service.reload, name="first")
        first.start()
        assert reading.wait(10)
        write("last")
        last = threading.Thread(target=service.reload)
        last.start()
        last.join(0.3)
        gate.set()
        first.join()
        last.join()
        assert [remediation.name for remediation in service.bridge.policy.remediations] == ["last"]
    finally:
        service.stop()
