"""A bridge with its HTTP side in this process, asked through Flask's own client as if from wherever a test says."""

import socket
import time
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import bcrypt
from werkzeug.test import TestResponse

from bridge.service import BridgeService
from tests.bridge.described import hold
from tests.bridge.world import notification

TOKEN = "t0ken-of-alertmanager"
PASSWORD = "correct horse"
_HASH = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
CREDENTIALS: dict[str, dict[str, str]] = {
    "nobody": {},
    "sender": {"Authorization": f"Bearer {TOKEN}"},
    "operator": {"Authorization": f"Basic {b64encode(f'ann:{PASSWORD}'.encode()).decode()}"},
    "wrong token": {"Authorization": "Bearer guess"},
    "wrong password": {"Authorization": f"Basic {b64encode(b'ann:guess').decode()}"},
}
STEPS = "steps: [{command: {argv: [/bin/echo, hello]}}]"
REMEDIATIONS = f"""
allow: {{commands: [/bin/echo, /bin/false]}}
limits: {{targets: {{max: 2, window: 1h}}}}
defaults: {{cooldown: 0s, max_retries: 0, retry_delay: 0s}}
remediations:
  - {{name: auto, match: 'alertname="Down"', verify: none, {STEPS}}}
  - {{name: asks, match: 'alertname="Ask"', mode: approve, verify: none, {STEPS}}}
  - {{name: shows, match: 'alertname="Dry"', mode: dry_run, {STEPS}}}
  - {{name: never, match: 'alertname="Off"', mode: off, {STEPS}}}
"""


@dataclass
class Served:
    """One bridge, and how it is asked."""

    service: BridgeService
    file: Path

    def ask(
        self,
        method: str,
        path: str,
        who: str = "nobody",
        peer: str = "loopback",
        headers: dict[str, str] | None = None,
        **more: Any,
    ) -> TestResponse:
        """Send one request, as `who`, from the `loopback`, the `network` or the local `socket`.

        The answer is held against what openapi.yaml says.
        """
        environ: dict[str, Any] = {"REMOTE_ADDR": "127.0.0.1"}
        given = {"Host": "127.0.0.1:9095", **CREDENTIALS[who], **(headers or {})}
        if peer == "network":
            given["X-Forwarded-For"] = "192.0.2.7"
        with socket.socket(socket.AF_UNIX) as local:
            if peer == "socket":
                environ |= {"gunicorn.socket": local, "REMOTE_ADDR": ""}
            client = self.service.wsgi.test_client()
            answer = client.open(path, method=method, headers=given, environ_base=environ, **more)
        hold(method, path, answer)
        return answer

    def get(self, path: str) -> Any:
        """Ask as an operator; return the JSON."""
        answer = self.ask("GET", path, "operator")
        assert answer.status_code == 200, answer.text
        return answer.json

    def notify(self, *alerts: Any, **more: Any) -> TestResponse:
        """Send a notification as Alertmanager does."""
        return self.ask(
            "POST", "/webhook", "sender", data=notification(*alerts), content_type="application/json", **more
        )

    def wait_for(self, path: str, what: str, count: int, **having: Any) -> list[dict[str, Any]]:
        """Wait until so many rows have these values."""
        until = time.monotonic() + 10
        while True:
            rows = [r for r in self.get(path)[what] if all(r[k] == v for k, v in having.items())]
            if len(rows) >= count:
                return rows
            assert time.monotonic() < until, f"{path}: {self.get(path)}"
            time.sleep(0.02)

    def configure(self, text: str) -> None:
        """Write remediation.yml."""
        self.file.write_text(text)
        self.file.chmod(0o600)

    def metric(self, line: str) -> float:
        """Return a value of /metrics."""
        found = [row for row in self.ask("GET", "/metrics").text.splitlines() if row.startswith(f"{line} ")]
        assert len(found) == 1, f"{line}: {found}"
        return float(found[0].rpartition(" ")[2])


def configuration(
    folder: Path, remediations: str = REMEDIATIONS, web: str = "", *, token: bool = True, users: bool = True
) -> str:
    """Write the credentials, and return the text of remediation.yml."""
    (folder / "token").write_text(f"{TOKEN}\n")
    (folder / "web.yml").write_text(f"basic_auth_users: {{ann: {_HASH}}}\n")
    for name in ("token", "web.yml"):
        (folder / name).chmod(0o600)
    keys = ["listen: 127.0.0.1:9095", *([f"bearer_token_file: {folder}/token"] if token else [])]
    keys += [f"config_file: {folder}/web.yml"] if users else []
    keys += [web] if web else []
    return f"database: sqlite:///{folder}/ledger.db\nweb: {{{', '.join(keys)}}}\n{remediations}"


@contextmanager
def served(folder: Path, **how: Any) -> Iterator[Served]:
    """Start a bridge in a folder of its own."""
    file = folder / "remediation.yml"
    file.write_text(configuration(folder, **how))
    file.chmod(0o600)
    service = BridgeService(file)
    service.start()
    try:
        yield Served(service, file)
    finally:
        service.stop()
