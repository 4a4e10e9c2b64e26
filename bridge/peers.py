"""HTTP to a Prometheus or an Alertmanager, with the authentication that is configured for it."""

import json
from pathlib import Path
from typing import Any

import requests

from bridge.config import Peer

_LONGEST = 64 * 1024 * 1024
"""Bytes of an answer that are read at most."""


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
        try:
            answer = self._session.get(
                f"{self.base}{path}",
                params=parameters,
                headers=self._headers(),
                auth=self._basic(),
                timeout=self._timeout,
                allow_redirects=False,
                stream=True,
            )
            with answer:
                body = answer.raw.read(_LONGEST + 1, decode_content=True)
                if answer.status_code != requests.codes.ok:
                    raise PeerError(f"{self.base} answered {answer.status_code} to {path}{_said(body)}")
                if len(body) > _LONGEST:
                    raise PeerError(f"{self.base} answered more than {_LONGEST} bytes to {path}")
                return json.loads(body)
        except ValueError:
            raise PeerError(f"{self.base} did not answer with JSON to {path}") from None
        except (requests.RequestException, OSError) as error:
            raise PeerError(f"{self.base} did not answer: {_short(error)}") from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _headers(self) -> dict[str, str]:
        authorization = self._peer.authorization
        if authorization is None:
            return {}
        secret = authorization.credentials or _secret(authorization.credentials_file)
        return {"Authorization": f"{authorization.type} {secret}"}

    def _basic(self) -> tuple[str, str] | None:
        basic = self._peer.basic_auth
        return None if basic is None else (basic.username, basic.password or _secret(basic.password_file))


def _secret(file: Path | None) -> str:
    return "" if file is None else file.read_text(encoding="utf-8").strip()


def _said(body: bytes) -> str:
    text = body[:200].decode("utf-8", "replace").strip()
    return f": {text}" if text else ""


def _short(error: BaseException) -> str:
    match error:
        case requests.Timeout():
            return "timed out"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return type(error).__name__
