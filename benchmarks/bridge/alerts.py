"""Notifications as Alertmanager sends them, of ever new alerts."""

import itertools
import time
from collections.abc import Iterator

from tests.bridge.world import alert, notification

_EXTRA = {
    "job": "node",
    "severity": "critical",
    "check": "http_endpoint",
    "cluster": "eu-1",
    "team": "platform",
    "monitor": "main",
}
_ANNOTATIONS = {
    "summary": "The check http_endpoint fails on this host",
    "description": "It failed three times in a row; the last answer was 503 Service Unavailable.",
    "runbook_url": "https://runbooks.example/http_endpoint",
}


def hosts(prefix: str) -> Iterator[str]:
    """Yield ever new host names."""
    return (f"{prefix}-{number}" for number in itertools.count())


def body(names: Iterator[str], size: int = 1, alertname: str = "Down") -> bytes:
    """Make one notification of `size` alerts."""
    starts_at = time.time() - 5
    return notification(
        *(
            alert(
                {"alertname": alertname, "instance": f"{next(names)}:9100", **_EXTRA},
                starts_at=starts_at,
                annotations=_ANNOTATIONS,
                generatorURL="http://prometheus:9090/graph?g0.expr=healthcheck_success+%3D%3D+0&g0.tab=1",
            )
            for _ in range(size)
        )
    )
