"""Real Prometheus and Alertmanager processes for tests of what is asked of them; a target whose metrics tests set."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import requests
import yaml

from bridge.decision.facts import Episode
from bridge.peers.client import PeerClient
from bridge.peers.prometheus import PrometheusObserver
from bridge.policy.peer import Peer
from remedy.demo.ports import free_ports
from remedy.demo.processes import Program, Running
from remedy.demo.programs import Tools
from tests.bridge.local_server import Asked, listening, saying
from tests.e2e.waiting import wait_for

TOOLS = Tools.found()
ENV = {**os.environ, "NO_PROXY": "127.0.0.1"}
INHIBIT = {
    "source_matchers": ['alertname="HostDown"'],
    "target_matchers": ['alertname!="HostDown"'],
    "equal": ["cluster"],
}
RELABEL = [
    {"action": "labeldrop", "regex": "replica|job"},
    {"source_labels": ["severity"], "regex": "critical", "target_label": "severity", "replacement": "page"},
    {"source_labels": ["instance"], "regex": "(.*):.*", "target_label": "host"},
    {"action": "hashmod", "source_labels": ["instance"], "modulus": 1000, "target_label": "shard"},
    {"action": "drop", "source_labels": ["alertname"], "regex": "Unsent"},
]
"""Two replicas would carry the same labels: `replica` is added outside, and dropped before an alert is sent."""


def answers(url: str) -> bool:
    try:
        return requests.get(url, timeout=2).ok
    except requests.RequestException:
        return False


class Server:
    """One process, which can be killed and started again on the same port."""

    def __init__(self, name: str, port: int, argv: list[str], folder: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        listen = f"--web.listen-address=127.0.0.1:{port}"
        log = folder / f"{name}-{port}.log"
        self._program = Program(name, (*argv, listen), log, f"{self.url}/-/ready", "")
        self._running: Running | None = None
        self.client = PeerClient(Peer.model_validate({"url": self.url, "timeout": "2s"}))

    def start(self) -> None:
        self._running = Running(self._program, ENV)
        wait_for(lambda: answers(self._program.ready_url))

    def stop(self) -> None:
        if self._running is not None:
            self._running.end()
        self._running = None

    def kill(self) -> None:
        """End it as a crash does: it writes nothing down any more."""
        if self._running is not None:
            os.kill(self._running.pid, signal.SIGKILL)
        self.stop()

    def text(self, path: str) -> str:
        return requests.get(self.url + path, timeout=5).text

    def delete(self, path: str) -> None:
        requests.delete(self.url + path, timeout=5).raise_for_status()


def alertmanager(folder: Path, name: str = "am") -> Server:
    config = folder / "alertmanager.yml"
    config.write_text(
        yaml.safe_dump({"route": {"receiver": "none"}, "receivers": [{"name": "none"}], "inhibit_rules": [INHIBIT]})
    )
    argv = [TOOLS.alertmanager, f"--config.file={config}", f"--storage.path={folder / name}"]
    return Server(name, *free_ports(1), [*argv, "--cluster.listen-address="], folder)


def prometheus(folder: Path, target: str, alertmanagers: list[str], rules: dict[str, str]) -> Server:
    """Make one whose alerts are relabelled on their way."""
    written = [{"alert": name, "expr": expr, "labels": {"severity": "critical"}} for name, expr in rules.items()]
    (folder / "rules.yml").write_text(yaml.safe_dump({"groups": [{"name": "tests", "rules": written}]}))
    static = [{"static_configs": [{"targets": [url.removeprefix("http://") for url in alertmanagers]}]}]
    config = {
        "global": {
            "scrape_interval": "300ms",
            "scrape_timeout": "300ms",
            "evaluation_interval": "300ms",
            "external_labels": {"cluster": "eu", "replica": "a"},
        },
        "rule_files": [str(folder / "rules.yml")],
        "alerting": {
            "alert_relabel_configs": RELABEL,
            "alertmanagers": static,
        },
        "scrape_configs": [
            {"job_name": "app", "static_configs": [{"targets": [target.removeprefix("http://")]}]},
        ],
    }
    file = folder / "prometheus.yml"
    file.write_text(yaml.safe_dump(config))
    argv = [TOOLS.prometheus, f"--config.file={file}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    return Server("prometheus", *free_ports(1), [*argv, "--rules.alert.resend-delay=1s"], folder)


@dataclass
class Watched:
    """A target, a Prometheus that watches it, and an Alertmanager that hears of it."""

    target: Asked
    prometheus: Server
    alertmanager: Server
    observer: PrometheusObserver

    def expose(self, **values: float) -> None:
        """Let the target have these metrics from now on."""
        text = "".join(f"{name} {value}\n" for name, value in values.items())
        self.target.reply = saying(200, text.encode(), **{"Content-Type": "text/plain; version=0.0.4"})

    def break_target(self) -> None:
        """Let every scrape fail from now on."""
        self.target.reply = saying(500)

    def listed(self, name: str) -> list[dict[str, Any]]:
        """Return the alerts of a name that Alertmanager has."""
        url = f"{self.alertmanager.url}/api/v2/alerts"
        return requests.get(url, params={"filter": f'alertname="{name}"'}, timeout=2).json()

    def fires(self, name: str) -> Episode:
        """Wait until Alertmanager has the alert; return the episode that its notification would open."""
        (alert, *_) = wait_for(lambda: self.listed(name))
        now = time.time()
        return Episode(1, alert["fingerprint"], alert["labels"], {}, now, now, now)

    @contextmanager
    def forged(self, labels: dict[str, str]) -> Iterator[Episode]:
        """POST an alert to Alertmanager in Prometheus' place, and take it back at the end."""
        post(self.alertmanager, "/api/v2/alerts", [{"labels": labels}])
        url = f"{self.alertmanager.url}/api/v2/alerts"
        (alert,) = wait_for(lambda: [each for each in requests.get(url, timeout=2).json() if each["labels"] == labels])
        now = time.time()
        yield Episode(2, alert["fingerprint"], labels, {}, now, now, now)
        post(self.alertmanager, "/api/v2/alerts", [{"labels": labels, "endsAt": datetime.now(UTC).isoformat()}])
        wait_for(lambda: labels not in [each["labels"] for each in requests.get(url, timeout=2).json()])

    @contextmanager
    def silenced(self, **labels: str) -> Iterator[None]:
        """Silence alerts with these labels for a while."""
        now = datetime.now(UTC)
        body = {
            "matchers": [{"name": k, "value": v, "isRegex": False, "isEqual": True} for k, v in labels.items()],
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(seconds=60)).isoformat(),
            "createdBy": "a test",
            "comment": "",
        }
        made = post(self.alertmanager, "/api/v2/silences", body)["silenceID"]
        yield
        requests.delete(f"{self.alertmanager.url}/api/v2/silence/{made}", timeout=5).raise_for_status()


def post(server: Server, path: str, body: Any) -> Any:
    answer = requests.post(server.url + path, json=body, timeout=5)
    answer.raise_for_status()
    return answer.json() if answer.content else None


@contextmanager
def watched(folder: Path, rules: dict[str, str]) -> Iterator[Watched]:
    """Start all of it."""
    with listening() as target:
        am = alertmanager(folder)
        prom = prometheus(folder, target.url, [am.url], rules)
        stack = Watched(target, prom, am, PrometheusObserver(prom.client))
        stack.expose(up_to_date=1)
        try:
            am.start()
            prom.start()
            yield stack
        finally:
            for server in (prom, am):
                server.stop()
                server.client.close()
