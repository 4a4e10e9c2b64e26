"""HTTP for actions: no redirect, no proxy of the environment, within the step's time; errors tell only a URL's host."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests

from bridge.actions.base import Allow, StepContext, StepError

_LONGEST = 256 * 1024
"""Bytes of an answer that are read at most."""
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes
    location: str = ""
    """Where else to ask, as the server says."""


def url_refusal(url: str, allow: Allow) -> str | None:
    """Say why a URL must not be requested, or None."""
    try:
        if any(_lies_below(url, allowed) for allowed in allow.urls):
            return None
    except ValueError as error:
        return f"is no URL: {error}"
    return f"the URL on '{urlsplit(url).hostname}' begins with none of allow.urls"


def _lies_below(url: str, allowed: str) -> bool:
    """Compare scheme, host and port whole, and the path folder by folder."""
    wanted, given = urlsplit(url), urlsplit(allowed)
    if wanted.username is not None or wanted.password is not None or "\\" in url:
        return False
    if ".." in unquote(wanted.path).split("/"):
        return False
    if _origin(wanted.scheme, wanted.hostname, wanted.port) != _origin(given.scheme, given.hostname, given.port):
        return False
    folder = given.path.rstrip("/")
    return wanted.path in (given.path, folder) or wanted.path.startswith(f"{folder}/")


def _origin(scheme: str, host: str | None, port: int | None) -> tuple[str, str | None, int | None]:
    return scheme, host, port or _PORTS.get(scheme)


def ask(
    method: str, url: str, context: StepContext, *, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> Answer:
    """Send a request and return the answer, whatever its status.

    Raises:
        StepError: there was none.
        StepTimeoutError: the step's time is up.
    """
    host = urlsplit(url).hostname
    try:
        with requests.Session() as session:
            session.trust_env = False
            answer = session.request(
                method,
                url,
                data=body,
                headers=dict(headers or {}),
                timeout=context.remaining(),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                return Answer(answer.status_code, _read(answer, context), answer.headers.get("Location", ""))
    except requests.Timeout:
        context.remaining()
        raise StepError(f"{host} did not answer in time") from None
    except (requests.RequestException, OSError) as error:
        context.pause(0)
        raise StepError(f"{host} did not answer: {type(error).__name__}") from None


def _read(answer: requests.Response, context: StepContext) -> bytes:
    body = b""
    for chunk in answer.iter_content(8192):
        context.pause(0)
        body += chunk
        if len(body) >= _LONGEST:
            break
    return body[:_LONGEST]


def secret_line(file: Path) -> str:
    """Read a secret of one line.

    Raises:
        StepError: it cannot be read, or is no single line of text.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise StepError(f"the secret file {file} cannot be read: {type(error).__name__}") from None
    if not text or not text.isprintable():
        raise StepError(f"the secret file {file} must hold one line of text")
    return text
