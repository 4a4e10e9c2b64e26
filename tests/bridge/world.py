"""What the tests of the bridge share: policies from a few lines of YAML, alerts, notifications, a ledger on disk."""

import json
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from textwrap import dedent
from typing import Any

from bridge.decision.facts import Episode
from bridge.decision.payload import fingerprint
from bridge.policy.loading import check_policy
from bridge.policy.remediation import Policy
from remedy.config.yamlfile import parse_yaml

TESTDATA = Path(__file__).parent / "testdata"
WAIT = "{name: wait-a-bit, match: ['alertname=\"Down\"'], steps: [{wait: {duration: 10ms}}], verify: none}"
DOWN = {"alertname": "Down", "instance": "web-1:9100", "job": "node", "severity": "critical"}


def policy(text: str = f"remediations: [{WAIT}]", database: Path | None = None) -> Policy:
    """Check a remediation.yml that is given as text; its ledger is at `database`."""
    settings = "" if database is None else f"database: sqlite:///{database}\n"
    return check_policy(parse_yaml(settings + dedent(text), "remediation.yml"))


def when(unix: float) -> str:
    """Write a time as Alertmanager does."""
    return datetime.fromtimestamp(unix, UTC).isoformat().replace("+00:00", "Z")


def alert(
    labels: Mapping[str, str] | None = None, *, status: str = "firing", starts_at: float | None = None, **more: Any
) -> dict[str, Any]:
    """Make one element of a notification."""
    labels = dict(DOWN if labels is None else labels)
    starts = time.time() - 1 if starts_at is None else starts_at
    ends = when(time.time()) if status == "resolved" else "0001-01-01T00:00:00Z"
    made = {"status": status, "labels": labels, "annotations": {}, "startsAt": when(starts), "endsAt": ends}
    return {**made, "generatorURL": "", "fingerprint": fingerprint(labels), **more}


def notification(*alerts: Any, **more: Any) -> bytes:
    """Make a body as Alertmanager sends it."""
    body = {"version": "4", "groupKey": "{}", "truncatedAlerts": 0, "status": "firing", "receiver": "bridge"}
    return json.dumps({**body, "externalURL": "http://am:9093", "alerts": list(alerts), **more}).encode()


def episode(labels: Mapping[str, str] | None = None, *, received_at: float = 1000.0, id_: int = 1) -> Episode:
    """Make an episode."""
    labels = dict(DOWN if labels is None else labels)
    return Episode(id_, fingerprint(labels), labels, {}, received_at - 1, received_at, received_at)
