"""Posts bodies over kept connections, from a process of its own, and counts what is answered with 200."""

import multiprocessing
import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """How many requests were answered with 200, in how many seconds."""

    answered: int
    seconds: float

    @property
    def rate(self) -> float:
        """Requests a second."""
        return self.answered / self.seconds


def post_all(port: int, bodies: list[bytes], connections: int, *, per_second: float | None = None) -> Result:
    """Post every body once, as fast as answers come, or at a steady rate."""
    queue: multiprocessing.Queue[Result] = multiprocessing.Queue()
    process = multiprocessing.Process(target=_post_all, args=(port, bodies, connections, per_second, queue))
    process.start()
    result = queue.get()
    process.join()
    return result


def _post_all(
    port: int, bodies: list[bytes], connections: int, per_second: float | None, queue: "multiprocessing.Queue[Result]"
) -> None:
    requests = iter([_head(port, body) + body for body in bodies])
    lock, counts = threading.Lock(), [0] * connections
    start = time.monotonic()
    pace = _pace(start, per_second)

    def work(index: int) -> None:
        with socket.create_connection(("127.0.0.1", port)) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while True:
                with lock:
                    request = next(requests, None)
                    due = pace()
                if request is None:
                    return
                time.sleep(max(0.0, due - time.monotonic()))
                connection.sendall(request)
                counts[index] += _answer(connection).startswith(b"HTTP/1.1 200")

    threads = [threading.Thread(target=work, args=(index,)) for index in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    queue.put(Result(sum(counts), time.monotonic() - start))


def _pace(start: float, per_second: float | None) -> Callable[[], float]:
    def due() -> Iterator[float]:
        number = 0
        while True:
            yield start if per_second is None else start + number / per_second
            number += 1

    moments = due()
    return lambda: next(moments)


def _head(port: int, body: bytes) -> bytes:
    return (
        f"POST /webhook HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode()


def _answer(connection: socket.socket) -> bytes:
    data = b""
    while b"\r\n\r\n" not in data:
        data += _received(connection)
    head, _, rest = data.partition(b"\r\n\r\n")
    length = next(int(line[15:]) for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    while len(rest) < length:
        rest += _received(connection)
    return head


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65536)
    if not data:
        raise ConnectionError("the connection was closed")
    return data
