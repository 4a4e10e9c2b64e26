"""`POST /api/v1/explain` says what the bridge would really decide: it sees what the gates see."""

import time
from pathlib import Path

import pytest

from tests.bridge.served_bridge import Served, served
from tests.bridge.world import DOWN, alert, notification, when

FLAPPING = """
remediations:
  - {name: auto, match: 'alertname="Down"', cooldown: 0s, flapping: {times: 1, within: 1h}, verify: none,
     steps: [{wait: {duration: 1ms}}]}
"""


def decisions(bridge: Served, **of: float) -> list[str]:
    """Return what would be decided on a notification, and on all that fires."""
    bodies = [notification(alert(DOWN, **of)), b""]
    answers = [
        bridge.ask("POST", "/api/v1/explain", "operator", data=body, content_type="application/json") for body in bodies
    ]
    return [each["decision"] for answer in answers for each in answer.json["explanations"]]


def test_a_pause_file_is_explained(tmp_path: Path) -> None:
    with served(tmp_path) as bridge:
        (tmp_path / "PAUSE").write_text("a change\n")
        bridge.notify(alert(DOWN))
        bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="paused")
        assert decisions(bridge) == ["paused", "paused"]


@pytest.mark.parametrize("before", [0, 1])
def test_what_fires_is_no_return_of_itself(tmp_path: Path, before: int) -> None:
    began = time.time() - 100
    with served(tmp_path, remediations=FLAPPING) as bridge:
        for number in range(before):
            bridge.notify(alert(DOWN, starts_at=began - 100))
            bridge.wait_for("/api/v1/runs", "runs", number + 1, state="ended")
            bridge.notify(alert(DOWN, status="resolved", starts_at=began - 100, endsAt=when(began - 50)))
        bridge.notify(alert(DOWN, starts_at=began))
        bridge.wait_for("/api/v1/decisions", "decisions", 1, decision="flapping" if before else "run")
        bridge.wait_for("/api/v1/runs", "runs", 1, state="ended")
        assert decisions(bridge, starts_at=began) == (["flapping"] * 2 if before else ["run"] * 2)
