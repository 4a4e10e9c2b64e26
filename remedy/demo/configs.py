"""What the demo writes for the exporter and for the bridge."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from remedy.demo.sample import SampleService

CHECK = "sample_service"
RESTART = "restart-sample"
CLEAN = "clean-disk"


@dataclass(frozen=True)
class Pace:
    """How fast the demo's bridge is; durations as Prometheus writes them."""

    cooldown: str = "1s"
    max_retries: int = 3
    retry_delay: str = "2s"
    quiet_for: str = "3s"
    clears_within: str = "20s"
    settle: str = "500ms"
    flapping: int = 20
    """So often within an hour may the same thing break before the bridge leaves it to people."""


def exporter(sample: SampleService, port: int, state: Path) -> str:
    """Write exporter.yml: one check, one log."""
    return _yaml(
        {
            "listen": f"127.0.0.1:{port}",
            "state": str(state),
            "checks": [
                {
                    "name": CHECK,
                    "kind": "http",
                    "url": sample.health_url,
                    "interval": "1s",
                    "timeout": "1s",
                    "critical": True,
                }
            ],
            "log_sources": [{"name": "sample", "path": str(sample.log), "start_at": "end"}],
            "log_patterns": {"use": ["builtin"]},
        }
    )


@dataclass(frozen=True)
class BridgeAddresses:
    """Whom the bridge asks and where it listens; no URLs where there is no Prometheus."""

    port: int
    token: Path
    ledger: Path
    people: str
    prometheus: str | None = None
    alertmanager: str | None = None

    def notifier(self) -> dict[str, str]:
        """How the bridge tells people: through Alertmanager, else directly."""
        if self.alertmanager:
            return {"kind": "alertmanager", "url": self.alertmanager}
        return {"kind": "webhook", "url": f"{self.people}/bridge"}


def remediation(sample: SampleService, where: BridgeAddresses, pace: Pace) -> str:
    """Write remediation.yml: restart the service when it is down, clean its folder when it is full."""
    return _yaml(
        {
            "mode": "auto",
            **({"alertmanagers": [{"url": where.alertmanager}]} if where.alertmanager else {}),
            **({"prometheus": {"url": where.prometheus}} if where.prometheus else {}),
            "database": f"sqlite:///{where.ledger}",
            "web": {"listen": f"127.0.0.1:{where.port}", "bearer_token_file": str(where.token)},
            "defaults": {
                "cooldown": pace.cooldown,
                "max_retries": pace.max_retries,
                "retry_delay": pace.retry_delay,
                "timeout": "20s",
                "backup": True,
                "flapping": {"times": pace.flapping, "within": "1h"},
                "escalate": [{"after_attempts": pace.max_retries + 1, "to": ["people"]}],
            },
            "notifiers": {"people": where.notifier()},
            "allow": {"roots": [str(sample.uploads)], "commands": [str(sample.program)]},
            "remediations": [_restart(sample, pace), _clean(sample, pace)],
        }
    )


def _restart(sample: SampleService, pace: Pace) -> dict[str, Any]:
    process = {
        "pid_file": str(sample.pid_file),
        "argv": list(sample.argv),
        "cwd": str(sample.home),
        "log_file": str(sample.out),
    }
    return {
        "name": RESTART,
        "match": ['alertname="HealthCheckFailing"', f'check="{CHECK}"'],
        "steps": [{"service_restart": {"process": process, "settle": pace.settle}}],
        "verify": {"alert_clears_within": pace.clears_within},
    }


def _clean(sample: SampleService, pace: Pace) -> dict[str, Any]:
    return {
        "name": CLEAN,
        "match": ['alertname="LogPatternMatched"', 'pattern="disk_full"', 'source="sample"'],
        "steps": [{"old_file_cleanup": {"directories": [str(sample.uploads)], "days": 7, "patterns": ["*.csv"]}}],
        "verify": {"quiet_for": pace.quiet_for, "within": "60s"},
    }


def _yaml(config: dict[str, Any]) -> str:
    text: str = yaml.safe_dump(config, sort_keys=False, allow_unicode=True, width=120)
    return "# Written by `remedy demo`.\n" + text
