"""A real HTTP server on loopback that answers as told and keeps what it was sent."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from bridge.notifiers.base import Message


@dataclass
class Received:
    """One request."""

    method: str
    path: str
    headers: dict[str, str]
    body: Any


@dataclass
class Server:
    """The server: `answers` maps `METHOD path` (without the query), or `*` for others, to status and JSON or text."""

    url: str
    answers: dict[str, tuple[int, Any]] = field(default_factory=dict)
    requests: list[Received] = field(default_factory=list)
    release: threading.Event = field(default_factory=threading.Event)
    """What a request to a status of 0 (no answer) waits for."""


@pytest.fixture
def server() -> Iterator[Server]:
    """Start it on a free port."""

    class Handler(BaseHTTPRequestHandler):
        def handle_any(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            body = json.loads(raw) if raw else None
            known.requests.append(Received(self.command, self.path, dict(self.headers), body))
            key = f"{self.command} {self.path.partition('?')[0]}"
            status, answer = known.answers.get(key, known.answers.get("*", (200, {})))
            if status == 0:
                known.release.wait(30)
                return
            self.send_response(status)
            if status in (301, 302):
                self.send_header("Location", answer.get("Location", "/elsewhere"))
            text = answer.encode() if isinstance(answer, str) else json.dumps(answer).encode()
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        do_GET = do_POST = do_PATCH = do_PUT = handle_any  # noqa: N815 - http.server's names

        def log_message(self, *words: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    known = Server(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield known
    known.release.set()
    http.shutdown()
    thread.join()
    http.server_close()


@pytest.fixture
def message() -> Message:
    """A message with names in other scripts."""
    return Message(
        title="🚨 restart-api did not help: 受注 API (서울)",
        story="# What happened\n\n`HealthCheckFailing` on **受注**, 3 attempts.",
        dedup_key="restart-api/web-1/http_endpoint",
        severity="critical",
        labels={"alertname": "HealthCheckFailing", "instance": "web-1:9195", "severity": "critical", "team": "受注"},
        runbook_url="https://runbooks.example/api",
    )
