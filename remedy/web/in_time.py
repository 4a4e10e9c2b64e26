"""Whole answers within one time: a server that sends a byte now and then would outlast every timeout of a socket."""

import contextlib
import functools
import socket
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.response import HTTPResponse

_PIECE = 65536


@contextlib.contextmanager
def cut_off_after(seconds: float, cut: Callable[[], object]) -> Iterator[None]:
    """Do something that may block; `cut` is called when it takes longer, and then it is a TimeoutError."""
    late = threading.Event()

    def end() -> None:
        late.set()
        with contextlib.suppress(OSError, ValueError, RuntimeError):  # it has just ended by itself
            cut()

    timer = threading.Timer(max(0.0, seconds), end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except Exception as error:
        if late.is_set():
            raise TimeoutError from error
        raise
    finally:
        timer.cancel()
    if late.is_set():
        raise TimeoutError


class _HTTP(HTTPConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with cut_off_after(self.timeout or 0, functools.partial(self.sock.shutdown, socket.SHUT_RDWR)):
            return super().getresponse()


class _HTTPS(HTTPSConnection):
    def getresponse(self) -> HTTPResponse:  # type: ignore[override]
        with cut_off_after(self.timeout or 0, functools.partial(self.sock.shutdown, socket.SHUT_RDWR)):
            return super().getresponse()


class _HTTPPool(HTTPConnectionPool):
    ConnectionCls = _HTTP


class _HTTPSPool(HTTPSConnectionPool):
    ConnectionCls = _HTTPS


class InTimeAdapter(HTTPAdapter):
    """The head of an answer comes within the timeout that is given for it, or not at all."""

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **keys: Any) -> None:
        """Make the pools of connections."""
        super().init_poolmanager(connections, maxsize, block, **keys)
        self.poolmanager.pool_classes_by_scheme = {"http": _HTTPPool, "https": _HTTPSPool}


def session() -> requests.Session:
    """Return a session for one question: the head of its answer comes in time, its body not packed, since a few bytes
    may unpack to gigabytes; no proxy of the environment is used.
    """
    made = requests.Session()
    made.trust_env = False
    made.headers["Accept-Encoding"] = "identity"
    for scheme in ("http://", "https://"):
        made.mount(scheme, InTimeAdapter())
    return made


def pieces(answer: requests.Response, until: float, most: int) -> Iterator[bytes]:
    """Yield the body as it comes, its first `most` bytes, until a moment of the monotonic clock.

    Raises:
        TimeoutError: it was not whole by then.
        urllib3.exceptions.HTTPError: it broke off.
    """
    with cut_off_after(until - time.monotonic(), answer.raw.shutdown):
        while most > 0 and (piece := answer.raw.read1(min(most, _PIECE), decode_content=False)):
            most -= len(piece)
            yield piece
