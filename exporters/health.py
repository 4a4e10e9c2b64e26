"""`/health`: how every check stands and how the host does, as one JSON document."""

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

import psutil

from exporters.checks.base import Status
from exporters.schedule import Standing

_GB, _MB = 1024**3, 1024**2


class Overall(StrEnum):
    """How the host stands, all checks taken together."""

    HEALTHY = "healthy"
    DEGRADED = "degraded"
    """A check fails that is not critical."""
    CRITICAL = "critical"
    """A critical check fails."""


def overall(standings: Mapping[str, Standing]) -> Overall:
    """Take all checks together; one that has not run yet says nothing."""
    failing = [standing.check for standing in standings.values() if standing.failures]
    if any(check.critical for check in failing):
        return Overall.CRITICAL
    return Overall.DEGRADED if failing else Overall.HEALTHY


def document(standings: Mapping[str, Standing], now: float) -> dict[str, Any]:
    """Make the JSON document; `now` is unix time."""
    return {
        "timestamp": _iso(now),
        "checks": {name: _entry(standing) for name, standing in standings.items()},
        "overall_status": overall(standings),
        "metrics": host_metrics(),
    }


def host_metrics() -> dict[str, Any]:
    """Return the host's own numbers; the keys are contract."""
    memory, disk, network = psutil.virtual_memory(), psutil.disk_usage("/"), psutil.net_io_counters()
    return {
        "cpu": {"usage_percent": psutil.cpu_percent(interval=None), "count": psutil.cpu_count() or 1},
        "memory": {"total_gb": round(memory.total / _GB, 2), "used_gb": round(memory.used / _GB, 2)},
        "disk": {"total_gb": round(disk.total / _GB, 2), "used_gb": round(disk.used / _GB, 2)},
        "network": {
            "bytes_sent_mb": round(network.bytes_sent / _MB, 2),
            "bytes_recv_mb": round(network.bytes_recv / _MB, 2),
        },
        "processes": {"count": len(psutil.pids())},
    }


def _entry(standing: Standing) -> dict[str, Any]:
    check, run = standing.check, standing.last
    entry: dict[str, Any] = {"status": Status.UNKNOWN, "message": "has not run yet", "critical": check.critical}
    if run is not None:
        result = run.result
        entry |= {"status": result.status, "message": result.message, **result.details}
        if result.value is not None:
            entry |= {"value": result.value, "unit": result.unit, "threshold": result.threshold}
        entry |= {"last_run": _iso(run.started_at), "duration_seconds": round(run.seconds, 4)}
    return {**entry, "kind": check.kind, "consecutive_failures": standing.failures}


def _iso(unix: float) -> str:
    return datetime.fromtimestamp(unix, UTC).isoformat(timespec="milliseconds")
