"""The PAUSE file in the metrics, and how long a bridge that ends is waited for."""

from datetime import timedelta
from pathlib import Path

import pytest

from bridge.service import listen_of
from tests.bridge import world
from tests.bridge.served_bridge import served


def test_a_pause_file_shows_in_the_metrics(tmp_path: Path) -> None:
    with served(tmp_path) as bridge:
        assert bridge.metric("remediation_paused") == 0
        (tmp_path / "PAUSE").write_text("a change\n")
        assert bridge.metric("remediation_paused") == 1
        (tmp_path / "PAUSE").unlink()
        assert bridge.metric("remediation_paused") == 0


@pytest.mark.parametrize("grace", ["0s", "20s", "1500ms", "10m"])
def test_gunicorn_waits_longer_than_the_steps_may_take(tmp_path: Path, grace: str) -> None:
    policy = world.policy(f"shutdown_grace: {grace}\nremediations: [{world.WAIT}]", tmp_path / "ledger.db")
    assert timedelta(seconds=listen_of(policy).grace_seconds) >= policy.settings.shutdown_grace + timedelta(seconds=10)
