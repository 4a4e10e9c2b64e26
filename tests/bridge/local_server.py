"""A small HTTP server of the tests' own: it answers as it is told, and remembers what it was asked."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

Reply = Callable[[BaseHTTPRequestHandler, bytes], None]


class Asked:
    """What came, and what is answered; `reply` may be exchanged at any time."""

    def __init__(self, server: ThreadingHTTPServer) -> None:
        self.url = f"http://127.0.0.1:{server.server_port}"
        self.requests: list[tuple[str, dict[str, str], bytes]] = []
        self.came = threading.Condition()
        self.reply: Reply = saying(200, b"{}")

    def wait_for(self, count: int, within: float = 10) -> None:
        """Wait until so many requests have come."""
        with self.came:
            assert self.came.wait_for(lambda: len(self.requests) >= count, within), f"only {len(self.requests)} came"


def saying(status: int, body: bytes = b"", **headers: str) -> Reply:
    """Answer with a status and a body."""

    def reply(handler: BaseHTTPRequestHandler, _body: bytes) -> None:
        handler.send_response(status)
        handler.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return reply


@contextmanager
def listening() -> Iterator[Asked]:
    """Listen on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def _any(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            with asked.came:
                asked.requests.append((f"{self.command} {self.path}", dict(self.headers), body))
                asked.came.notify_all()
            try:
                asked.reply(self, body)
            except (BrokenPipeError, ConnectionResetError):
                self.close_connection = True

        do_GET = do_POST = do_PUT = _any  # noqa: N815 - http.server's names

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        asked = Asked(server)
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield asked
        server.shutdown()
        thread.join()
