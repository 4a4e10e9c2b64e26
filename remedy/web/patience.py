"""gunicorn's worker with threads, but whoever is slow to send a request holds a thread for a few seconds at most.

gunicorn waits without end for the rest of a head or a body: as many half requests as there are threads, and nobody else
would be answered. What takes too long is cut off as if its sender had gone; answers are not, however long they take.

A thread that has answered meets the next request of its connection, for a moment and unless others wait for a thread:
one hand-over less.
"""

import select
import socket
import time
from contextlib import suppress
from typing import Any, ClassVar

from gunicorn.workers.gthread import _DEFER, TConn, ThreadWorker

_FIRST_SECONDS = 0.1
"""A thread waits so long for the first byte of a request; after that the connection waits without one."""


class PatientWorker(ThreadWorker):  # type: ignore[misc]
    """Knows until when each request that is under way must have come."""

    head_seconds: ClassVar[float] = 5.0
    body_seconds: ClassVar[float] = 10.0
    """In which a request's head, and then its body, must have come."""

    def __init__(self, *args: Any, **keys: Any) -> None:
        super().__init__(*args, **keys)
        self._until: dict[TConn, float] = {}
        self._met: set[TConn] = set()
        """Connections whose next request a thread waits for."""
        self._lined_up: set[TConn] = set()
        """Connections that wait for a thread."""

    def enqueue_req(self, conn: TConn) -> None:
        """Let a connection wait for a thread."""
        self._lined_up.add(conn)
        super().enqueue_req(conn)

    def handle(self, conn: TConn) -> Any:
        """Read a request and answer it, in a thread; one that comes soon after it is met by the same thread."""
        self._lined_up.discard(conn)
        if not conn.initialized and not conn.wait_for_data(_FIRST_SECONDS):
            return _DEFER
        more = self._answer(conn)
        while more is True and self._next_comes(conn):
            more = self._answer(conn)
        return more

    def _next_comes(self, conn: TConn) -> bool:
        """Wait a moment for the next request, unless others wait for a thread; half of the threads wait for nobody."""
        if self._lined_up or len(self._met) >= self.cfg.threads // 2:
            return False
        if not self.alive or conn.parser.unreader.buf.getvalue():
            return False
        poller = select.poll()
        poller.register(conn.sock, select.POLLIN)
        self._met.add(conn)
        try:
            return bool(poller.poll(1000 * _FIRST_SECONDS))
        finally:
            self._met.discard(conn)

    def _answer(self, conn: TConn) -> Any:
        self._until[conn] = time.monotonic() + self.head_seconds
        try:
            return super().handle(conn)
        finally:
            del self._until[conn]

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer a request whose head has come."""
        self._until[conn] = time.monotonic() + self.body_seconds
        return super().handle_request(req, conn)

    def murder_pending(self) -> None:
        """Called once a second or more often: cut off what has not come in time."""
        super().murder_pending()
        now = time.monotonic()
        for conn, until in list(self._until.items()):
            if until < now:
                with suppress(OSError):
                    socket.socket.shutdown(conn.sock, socket.SHUT_RD)  # TLS, where there is any, goes on
