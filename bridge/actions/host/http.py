"""HTTP for actions: no redirect, no proxy of the environment, within the step's time; errors tell only a URL's host."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote, urlsplit

import requests
from urllib3.exceptions import HTTPError

from bridge.actions.base import Allow, StepContext, StepError
from remedy.web.in_time import pieces, session

_LONGEST = 256 * 1024
"""Bytes of an answer that are read where nothing else is said."""
LARGE = 16 * 1024**2
"""As many as an interface may answer with that lists things."""
_CODED_AT_MOST = 3
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
    if _climbs(wanted.path):
        return False
    if _origin(wanted.scheme, wanted.hostname, wanted.port) != _origin(given.scheme, given.hostname, given.port):
        return False
    folder = given.path.rstrip("/")
    return wanted.path in (given.path, folder) or wanted.path.startswith(f"{folder}/")


def _climbs(path: str) -> bool:
    """Tell whether some server may take a path for one that leads upwards: coded twice, with `\\`, with parameters."""
    for _ in range(_CODED_AT_MOST):
        path = unquote(path)
    return any(part.partition(";")[0] == ".." for part in re.split(r"[/\\]", path))


def _origin(scheme: str, host: str | None, port: int | None) -> tuple[str, str | None, int | None]:
    return scheme, host, port or _PORTS.get(scheme)


def ask(
    method: str,
    url: str,
    context: StepContext,
    *,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    most: int = _LONGEST,
) -> Answer:
    """Send a request and return the answer, whatever its status, with the first `most` bytes of its body.

    Raises:
        StepError: there was none.
        StepTimeoutError: the step's time is up.
    """
    host = urlsplit(url).hostname
    try:
        with session() as asking:
            answer = asking.request(
                method,
                url,
                data=body,
                headers=dict(headers or {}),
                timeout=context.remaining(),
                allow_redirects=False,
                stream=True,
            )
            with answer:
                return Answer(answer.status_code, _read(answer, context, most), answer.headers.get("Location", ""))
    except (requests.Timeout, TimeoutError):
        context.remaining()
        raise StepError(f"{host} did not answer in time") from None
    except (requests.RequestException, HTTPError, OSError) as error:
        context.pause(0)
        raise StepError(f"{host} did not answer: {type(error).__name__}") from None


def _read(answer: requests.Response, context: StepContext, most: int) -> bytes:
    body = b""
    for piece in pieces(answer, context.deadline, most):
        context.pause(0)
        body += piece
    return body


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
