"""The people of the demo: a small HTTP listener that keeps what Alertmanager or the bridge tells them."""

import json
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self


@dataclass(frozen=True)
class Page:
    """One message to people."""

    at: float
    """Unix seconds."""
    receiver: str
    body: dict[str, Any]

    def subjects(self) -> list[str]:
        """Name what it is about: the firing alerts of Alertmanager's message, or the title of the bridge's own."""
        firing = [alert["labels"] for alert in self.body.get("alerts", ()) if alert.get("status") == "firing"]
        return [labels.get("alertname", "an alert") for labels in firing] or [*filter(None, [self.body.get("title")])]


class People:
    """Listens on loopback while it is open; `pages` is what has come so far, oldest first."""

    def __init__(self, port: int) -> None:
        self.pages: list[Page] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler(self.pages))
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.1,), name="people", daemon=True)

    @property
    def url(self) -> str:
        """Where people are told; a receiver's name follows."""
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _handler(pages: list[Page]) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or b"{}")
            pages.append(Page(time.time(), self.path.lstrip("/"), body))
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
            del format, args

    return Handler
