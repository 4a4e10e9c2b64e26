"""The text of a first remediation.yml: in `dry_run`, one remediation for each alert, to be filled in by a person."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from bridge.decision.own_alerts import MACHINERY
from remedy.starter.alerts import KnownAlert


@dataclass(frozen=True)
class Place:
    """What the draft names."""

    prometheus: str
    alertmanager: str
    token: Path
    ledger: Path


def draft(alerts: Sequence[KnownAlert], place: Place) -> str:
    """Write the file. Alerts about this project's own machinery get no remediation: they never route to the bridge."""
    fixable = [alert for alert in alerts if alert.name not in MACHINERY]
    entries = "".join(_entry(alert, name) for alert, name in zip(fixable, _names(fixable), strict=True))
    return _HEAD.format(
        prometheus=json.dumps(place.prometheus),
        alertmanager=json.dumps(place.alertmanager),
        token=json.dumps(str(place.token)),
        database=json.dumps(f"sqlite:///{place.ledger}"),
        remediations=f"remediations:\n{entries}" if entries else _EMPTY,
    )


def receiver(token: Path, listen: str = "127.0.0.1:9095") -> str:
    """Write what Alertmanager's configuration needs so that it tells the bridge."""
    return _RECEIVER.format(token=json.dumps(str(token)), listen=listen)


def _entry(alert: KnownAlert, name: str) -> str:
    about = f"  # {' '.join(alert.summary.split())}\n" if alert.summary else ""
    matcher = f"alertname={json.dumps(alert.name, ensure_ascii=False)}".replace("'", "''")
    return f"{about}  - name: {name}\n    match: ['{matcher}']\n    steps: [wait: {{duration: 1s}}]  # what fixes it\n"


def _names(alerts: Sequence[KnownAlert]) -> Iterator[str]:
    """Spell each alert's name as that of a remediation; no two are the same."""
    taken: set[str] = set()
    for alert in alerts:
        words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", alert.name).lower()
        name = re.sub(r"[^a-z0-9]+", "-", words).strip("-")[:50] or "remediation"
        number = next(n for n in count(1) if (name if n == 1 else f"{name}-{n}") not in taken)
        taken.add(name if number == 1 else f"{name}-{number}")
        yield name if number == 1 else f"{name}-{number}"


_EMPTY = "remediations: []  # Prometheus has no alerting rules yet: `remedy init --force` writes this anew\n"
_HEAD = """\
# Made by `remedy init` from the alerts that Prometheus has. It changes nothing: the mode is dry_run.
# 1. `remedy bridge --config` this file, and let Alertmanager tell it (`remedy init` printed how).
# 2. Give a remediation the steps that fix its alert (`remedy actions` lists what there is), name in `allow:` what
#    they may touch, and see in `remedy history` what would have been done.
# 3. Set `mode: approve` to be asked first, or `mode: auto`.
mode: dry_run
alertmanagers: [{{url: {alertmanager}}}]
prometheus: {{url: {prometheus}}}
database: {database}
web: {{listen: 127.0.0.1:9095, bearer_token_file: {token}}}
limits: {{concurrent: 4, runs_per_hour: 60, targets: {{max: 5, window: 10m}}}}
defaults: {{cooldown: 5m, max_retries: 3, retry_delay: 60s, timeout: 60s}}
allow: {{units: [], roots: [], commands: [], ports: []}}
{remediations}"""
_RECEIVER = """\
route:
  routes:
    - receiver: remediation-bridge
      continue: true
      group_by: ['...']
      group_wait: 0s
      group_interval: 10s
      repeat_interval: 5m
receivers:
  - name: remediation-bridge
    webhook_configs:
      - url: http://{listen}/webhook
        send_resolved: true
        http_config:
          authorization:
            credentials_file: {token}
"""
