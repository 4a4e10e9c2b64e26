"""HTTP to a Prometheus or an Alertmanager, with the authentication that is configured for it."""

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import requests
from requests.auth import HTTPBasicAuth
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as WaitedError

from bridge.policy.peer import Peer
from remedy.web.in_time import InTimeAdapter, cut_off_after

_LONGEST = 64 * 1024 * 1024
"""Bytes of an answer that are read at most."""
_PIECE = 64 * 1024


class PeerError(Exception):
    """It did not answer, or not sensibly; the message is a sentence without any secret."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status
        """The status of its answer; 0 where there was none."""


@dataclass(frozen=True)
class Answer:
    """What a peer answered, and when, by its own clock."""

    data: Any
    at: float | None
    """Unix time of its `Date` header; None where it has none."""


class PeerClient:
    """Asks one peer; the connection is kept open between questions."""

    def __init__(self, peer: Peer) -> None:
        self.base = peer.base
        self._timeout = peer.timeout.total_seconds()
        self._peer = peer
        self._session = requests.Session()
        self._session.trust_env = False
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, InTimeAdapter())
        if peer.tls_config:
            tls = peer.tls_config
            self._session.verify = str(tls.ca_file) if tls.ca_file else not tls.insecure_skip_verify
            if tls.cert_file and tls.key_file:
                self._session.cert = (str(tls.cert_file), str(tls.key_file))

    def get(self, path: str, **parameters: str | list[str]) -> Any:
        """Return the JSON at a path.

        Raises:
            PeerError: there is none to be had.
        """
        return self.ask(path, parameters, self.time_limit()).data

    def ask(self, path: str, parameters: Mapping[str, str | list[str]], until: float) -> Answer:
        """Return what is at a path, if it comes before a moment of the monotonic clock.

        Raises:
            PeerError: there is none to be had.
        """
        left = max(0.001, until - time.monotonic())
        headers, auth = self._headers(), self._basic()
        try:
            answer = self._session.get(
                f"{self.base}{path}",
                params=parameters,
                headers=headers,
                auth=auth,
                timeout=left,
                allow_redirects=False,
                stream=True,
            )
            with answer, cut_off_after(until - time.monotonic(), answer.raw.shutdown):
                body = b"".join(self._pieces(answer, path))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise PeerError(f"{self.base} did not answer: {_short(error)}") from None
        if answer.status_code != requests.codes.ok:
            said = f"{self.base} answered {answer.status_code} to {path}{_said(body)}"
            raise PeerError(said, answer.status_code)
        try:
            return Answer(json.loads(body), _date(answer.headers.get("Date")))
        except (ValueError, RecursionError):
            raise PeerError(f"{self.base} did not answer with JSON to {path}") from None

    def time_limit(self) -> float:
        """Return the moment of the monotonic clock at which an answer to what is asked now would be too late."""
        return time.monotonic() + self._timeout

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _pieces(self, answer: requests.Response, path: str) -> Iterator[bytes]:
        size = 0
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            size += len(piece)
            if size > _LONGEST:
                raise PeerError(f"{self.base} answered more than {_LONGEST} bytes to {path}")
            yield piece

    def _headers(self) -> dict[str, bytes]:
        authorization = self._peer.authorization
        if authorization is None:
            return {}
        secret = authorization.credentials or self._secret(authorization.credentials_file)
        return {"Authorization": f"{authorization.type} {secret}".encode()}

    def _basic(self) -> HTTPBasicAuth | None:
        """Encode user and password as Prometheus does; left to requests, they would be Latin-1, or an error."""
        basic = self._peer.basic_auth
        if basic is None:
            return None
        password = basic.password or self._secret(basic.password_file)
        return HTTPBasicAuth(basic.username.encode(), password.encode())

    def _secret(self, file: Path | None) -> str:
        try:
            return "" if file is None else file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PeerError(f"{self.base} was not asked: {file} cannot be read ({type(error).__name__})") from None


def _date(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except (ValueError, OverflowError):
        return None


def _said(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return f": {text}" if text else ""


def _short(error: BaseException) -> str:
    match error:
        case requests.Timeout() | WaitedError() | TimeoutError():
            return "timed out"
        case requests.exceptions.SSLError():
            return "its certificate is not trusted"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return type(error).__name__
