"""A real `remedy bridge`, started, asked, told, and killed."""

import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psutil

from tests.bridge.world import alert, notification

PATIENCE = 30.0


def eventually(what: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until something is true, and return it."""
    end = time.monotonic() + seconds
    while not (found := what()):
        assert time.monotonic() < end, f"not within {seconds} s"
        time.sleep(0.01)
    return found


def free_port() -> int:
    """Return a port that nobody listens on."""
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class BridgeProcess:
    """One bridge over the ledger in a folder; `start` and `kill` as often as one likes."""

    def __init__(
        self,
        folder: Path,
        configuration: str,
        port: int | None = None,
        name: str = "remediation.yml",
        *,
        data: Path | None = None,
        beside: Callable[[Sequence[str | Path]], list[str]] | None = None,
    ) -> None:
        """Write its configuration; `data` is where its ledger is, `beside` makes its command one that sees that."""
        self.folder, self.port, self._beside = folder, port or free_port(), beside
        self.ledger = (data or folder) / "ledger.db"
        self.file = folder / name
        head = f"database: sqlite:///{self.ledger}\nweb: {{listen: '127.0.0.1:{self.port}'}}\n"
        self.file.write_text(head + configuration)
        self.file.chmod(0o600)
        self._log = (folder / f"{name}.log").open("ab")
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, *, ready: bool = True) -> None:
        """Start it, and wait until it answers (and is ready)."""
        argv = [Path(sys.executable).with_name("remedy"), "bridge", "--config", self.file]
        argv = self._beside(argv) if self._beside else argv
        self.process = subprocess.Popen(argv, stdout=self._log, stderr=self._log, env={**os.environ, "TZ": "UTC"})
        wanted = (200,) if ready else (200, 503)
        eventually(lambda: self.ask("GET", "/-/ready")[0] in wanted)

    def ask(self, method: str, path: str, body: bytes | None = None) -> tuple[int, Any]:
        """Return status and body; status 0: no answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read()
            return answer.status, json.loads(text) if answer.getheader("Content-Type") == "application/json" else text
        except (OSError, http.client.HTTPException):
            return 0, None
        finally:
            connection.close()

    def fire(self, *hosts: str) -> bool:
        """Send one notification; tell whether it was acknowledged."""
        alerts = [alert({"alertname": "Down", "instance": f"{host}:9100"}) for host in hosts]
        return self.ask("POST", "/webhook", notification(*alerts))[0] == 200

    def log(self) -> str:
        """Return what it said so far."""
        return Path(self._log.name).read_text()

    def pids(self) -> list[psutil.Process]:
        """Return its processes: gunicorn's parent, then its worker."""
        if self.process is None or self.process.poll() is not None:
            return []
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children()]

    def kill(self) -> None:
        """Kill -9 all of it at once, but nothing that its steps started."""
        for process in self.pids():
            process.kill()
        if self.process is not None:
            self.process.wait()

    def terminate(self) -> int:
        """End it with SIGTERM and return its exit code."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(PATIENCE)

    def close(self) -> None:
        """Kill it where it still runs."""
        self.kill()
        self._log.close()

    def rows(self, query: str) -> list[sqlite3.Row]:
        """Read the ledger, past the bridge."""
        with closing(sqlite3.connect(f"file:{self.ledger}?mode=ro", uri=True)) as connection:
            connection.row_factory = sqlite3.Row
            return connection.execute(query).fetchall()
