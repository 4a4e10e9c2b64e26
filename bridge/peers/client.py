"""HTTP to a Prometheus or an Alertmanager, with the authentication that is configured for it."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import requests
from urllib3.exceptions import HTTPError
from urllib3.exceptions import TimeoutError as WaitedError

from bridge.policy.config import Peer

_LONGEST = 64 * 1024 * 1024
"""Bytes of an answer that are read at most."""
_PIECE = 64 * 1024


class PeerError(Exception):
    """It did not answer, or not sensibly; the message is a sentence without any secret."""


class PeerClient:
    """Asks one peer; the connection is kept open between questions."""

    def __init__(self, peer: Peer) -> None:
        self.base = peer.base
        self._timeout = peer.timeout.total_seconds()
        self._peer = peer
        self._session = requests.Session()
        self._session.trust_env = False
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
        until = time.monotonic() + self._timeout
        headers, auth = self._headers(), self._basic()
        try:
            answer = self._session.get(
                f"{self.base}{path}",
                params=parameters,
                headers=headers,
                auth=auth,
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = b"".join(self._pieces(answer, path, until))
        except (requests.RequestException, HTTPError, OSError) as error:
            raise PeerError(f"{self.base} did not answer: {_short(error)}") from None
        if answer.status_code != requests.codes.ok:
            raise PeerError(f"{self.base} answered {answer.status_code} to {path}{_said(body)}")
        try:
            return json.loads(body)
        except (ValueError, RecursionError):
            raise PeerError(f"{self.base} did not answer with JSON to {path}") from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _pieces(self, answer: requests.Response, path: str, until: float) -> Iterator[bytes]:
        """Read an answer as it comes: one that drips may not hold up every decision."""
        size = 0
        while piece := answer.raw.read1(_PIECE, decode_content=True):
            size += len(piece)
            if size > _LONGEST:
                raise PeerError(f"{self.base} answered more than {_LONGEST} bytes to {path}")
            if time.monotonic() > until:
                raise PeerError(f"{self.base} did not answer: timed out")
            yield piece

    def _headers(self) -> dict[str, str]:
        authorization = self._peer.authorization
        if authorization is None:
            return {}
        secret = authorization.credentials or self._secret(authorization.credentials_file)
        return {"Authorization": f"{authorization.type} {secret}"}

    def _basic(self) -> tuple[str, str] | None:
        basic = self._peer.basic_auth
        return None if basic is None else (basic.username, basic.password or self._secret(basic.password_file))

    def _secret(self, file: Path | None) -> str:
        try:
            return "" if file is None else file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise PeerError(f"{self.base} was not asked: {file} cannot be read ({type(error).__name__})") from None


def _said(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return f": {text}" if text else ""


def _short(error: BaseException) -> str:
    match error:
        case requests.Timeout() | WaitedError():
            return "timed out"
        case requests.exceptions.SSLError():
            return "its certificate is not trusted"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return type(error).__name__
