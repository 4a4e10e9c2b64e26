"""A server that answers a byte at a time, as one that is overloaded, or means harm."""

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

SLOW: dict[str, tuple[bytes, bytes, float]] = {
    "status line": (b"HTTP/1.1 200 ", b"O", 0.05),
    "headers": (b"HTTP/1.1 200 OK\r\n", b"X: y\r\n", 0.05),
    "continue": (b"", b"HTTP/1.1 100 Continue\r\n\r\n", 0.01),
    "body": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n", b"x", 0.05),
    "chunks": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n", 0.05),
    "error": (b"HTTP/1.1 503 No\r\nContent-Length: 9999\r\n\r\n", b"x", 0.05),
}
"""What comes at once, what comes again and again, and after how many seconds each time."""


@contextmanager
def dribbling(how: tuple[bytes, bytes, float]) -> Iterator[str]:
    """Listen on a free port of loopback, and give the URL."""
    first, again, pause = how
    ended = threading.Event()
    server = socket.create_server(("127.0.0.1", 0))
    server.settimeout(0.05)

    def answer(client: socket.socket) -> None:
        with client, suppress(OSError):
            client.recv(65536)
            client.sendall(first)
            while not ended.wait(pause):
                client.sendall(again)

    def serve() -> None:
        threads = []
        while not ended.is_set():
            with suppress(TimeoutError):
                client, _ = server.accept()
                client.settimeout(5)
                threads.append(threading.Thread(target=answer, args=(client,)))
                threads[-1].start()
        for thread in threads:
            thread.join()

    serving = threading.Thread(target=serve)
    serving.start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"
    finally:
        ended.set()
        serving.join()
        server.close()
