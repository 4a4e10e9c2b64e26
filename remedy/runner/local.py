"""`remedy run` in one process that answers at its local socket alone: less memory than a served one with its parent."""

import os
import signal
import threading
from pathlib import Path
from types import FrameType
from typing import Any

from werkzeug.serving import BaseWSGIServer, WSGIRequestHandler, make_server

from remedy.runner.service import RunService
from remedy.web.notify import Systemd

_ALIVE_SECONDS = 1.0
_OWNER_AND_GROUP = 0o117
"""A umask: whoever may use the socket is an operator."""


class _Request(WSGIRequestHandler):
    """A request over the local socket, shown to the application as gunicorn shows it."""

    def make_environ(self) -> dict[str, Any]:
        """Add the connection, by which the application knows that it is local."""
        return {**super().make_environ(), "gunicorn.socket": self.connection}

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Say nothing: what was done stands in the ledger."""


def serve_locally(service: RunService, socket: Path) -> None:
    """Serve until SIGTERM or SIGINT; SIGHUP reloads.

    Raises:
        ConfigError: it cannot begin.
    """
    ended, systemd = threading.Event(), Systemd.taken_from(os.environ)
    server = _bound(service, socket)

    def end(_signal: int, _frame: FrameType | None) -> None:
        ended.set()

    def reload(_signal: int, _frame: FrameType | None) -> None:
        threading.Thread(target=service.reload, name="reload").start()

    for number, handler in ((signal.SIGTERM, end), (signal.SIGINT, end), (signal.SIGHUP, reload)):
        signal.signal(number, handler)
    answering = threading.Thread(target=server.serve_forever, name="socket", daemon=True)
    try:
        service.start()
        answering.start()
        systemd.ready()
        while not ended.wait(_ALIVE_SECONDS):
            systemd.alive()
    finally:
        if answering.ident is not None:
            server.shutdown()
        service.stop()
        server.server_close()
        socket.unlink(missing_ok=True)


def _bound(service: RunService, socket: Path) -> BaseWSGIServer:
    before = os.umask(_OWNER_AND_GROUP)
    try:
        return make_server(f"unix://{socket}", 0, service.wsgi, threaded=True, request_handler=_Request)
    finally:
        os.umask(before)
