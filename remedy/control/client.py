"""Asks a running bridge over its local socket, whose mode decides who is an operator."""

import http.client
import json
import os
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from remedy.config.files import ConfigKind, kind_of

if TYPE_CHECKING:
    from bridge.policy.remediation import Policy

_TIMEOUT_SECONDS = 30.0
_ERROR = _WRONG_USE = 400


class _WrongUseError(click.ClickException):
    exit_code = 2


class _NobodyError(click.ClickException):
    """No bridge is at work."""


class _SocketConnection(http.client.HTTPConnection):
    def __init__(self, path: Path) -> None:
        super().__init__("localhost", timeout=_TIMEOUT_SECONDS)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self._path))


class BridgeClient:
    """One bridge, found by its configuration."""

    def __init__(self, file: Path) -> None:
        """Find the socket beside the ledger that remediation.yml names, or error_patterns.json stands for.

        Raises:
            ConfigError: the file cannot be used.
        """
        from bridge.service import socket_of  # noqa: PLC0415 - only what talks to a bridge needs its libraries

        self.policy = _policy(file)
        self.socket = socket_of(self.policy)

    def reach(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Ask the bridge as `ask` does, or, where none is at work, its ledger: the record, pauses and breakers."""
        from remedy.control import offline  # noqa: PLC0415 - it may need the ledger

        try:
            return self.ask(method, path, body)
        except _NobodyError:
            found = offline.answer(self.policy, method, path, _json(body))
            if found is None:
                raise
            return _accepted(*found)

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        """Send a request with a JSON body; see `send`."""
        return self.send(method, path, _json(body))

    def send(self, method: str, path: str, body: bytes) -> Any:
        """Send one request and return the JSON of the answer.

        Raises:
            click.ClickException: nobody answers, or the bridge refuses; the message says why.
        """
        connection = _SocketConnection(self.socket)
        try:
            connection.request(method, path, body or None, {"Content-Type": "application/json"} if body else {})
            answer = connection.getresponse()
            data = json.loads(answer.read() or b"null")
        except OSError as error:
            raise _NobodyError(
                f"no bridge answers at {self.socket}: {error.strerror or error}: is it running, and with this file?"
            ) from None
        except (ValueError, http.client.HTTPException):
            raise click.ClickException(f"what answers at {self.socket} is no bridge") from None
        finally:
            connection.close()
        return _accepted(answer.status, data)


def _json(body: dict[str, Any] | None) -> bytes:
    return b"" if body is None else json.dumps(body).encode()


def _accepted(status: int, data: Any) -> Any:
    if status >= _ERROR:
        refusal = _WrongUseError if status == _WRONG_USE else click.ClickException
        raise refusal(str((data or {}).get("error", f"the bridge answered {status}")))
    return data


def _policy(file: Path) -> "Policy":
    if kind_of(file) is ConfigKind.ERROR_PATTERNS:
        from remedy.runner.task import Files  # noqa: PLC0415 - what reads the old file only for an old file

        return Files((file,), None, None, os.environ, insecure=True).read().policy
    from bridge.policy.loading import load_policy  # noqa: PLC0415

    return load_policy(file, insecure=True)
