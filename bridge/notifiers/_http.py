"""HTTP for notifiers: authentication as Prometheus spells it, and errors that name no more of a URL than its host."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from pydantic import BaseModel, ConfigDict

from bridge.notifiers.base import PassingError, PermanentError
from bridge.policy.peer import Authorization, BasicAuth, TLSConfig

_MAY_PASS = frozenset({408, 425, 429})
_SERVER_TROUBLE = 500
_MOST_SAID = 200
_SHORTEST_SECRET = 4
_LONGEST = 16 * 1024 * 1024
"""Bytes of an answer that are read at most."""


def secret(file: Path) -> str:
    """Read a secret of one line.

    Raises:
        PermanentError: it cannot be read, or is empty.
    """
    try:
        text = file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise PermanentError(f"the secret file {file} cannot be read: {type(error).__name__}") from None
    if not text:
        raise PermanentError(f"the secret file {file} is empty")
    return text


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    status: int
    body: bytes

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class HttpAccess(BaseModel):
    """Fields for getting in."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    basic_auth: BasicAuth | None = None
    """`username` and `password_file`, as Prometheus spells them."""
    authorization: Authorization | None = None
    """`type` (default `Bearer`) and `credentials_file`, as Prometheus spells them."""
    tls_config: TLSConfig | None = None
    """`ca_file`, `cert_file`, `key_file`, `insecure_skip_verify`, as Prometheus spells them."""

    def send(
        self, method: str, url: str, body: object, timeout: float, headers: Mapping[str, str] | None = None
    ) -> Answer:
        """Send JSON and return an answer of the 200s. No redirect is followed, and no proxy of the environment used.

        Raises:
            PassingError: no answer, or one of trouble that may pass.
            PermanentError: an answer that will stay the same.
        """
        host, until = urlsplit(url).hostname, time.monotonic() + timeout
        try:
            with requests.Session() as session:
                session.trust_env = False
                answer = session.request(
                    method,
                    url,
                    json=body,
                    headers={**self._authorization(), **(headers or {})},
                    timeout=timeout,
                    allow_redirects=False,
                    stream=True,
                    **self._access(),
                )
                with answer:
                    said = Answer(answer.status_code, _read(answer, until))
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise PermanentError("the URL is none") from None
        except (requests.RequestException, OSError) as error:
            raise PassingError(f"{host} did not answer: {_short(error)}") from None
        return _judged(said, str(host), url)

    def _authorization(self) -> dict[str, str]:
        if self.authorization is None:
            return {}
        given, file = self.authorization.credentials, self.authorization.credentials_file
        return {"Authorization": f"{self.authorization.type} {given or (secret(file) if file else '')}"}

    def _access(self) -> dict[str, Any]:
        access: dict[str, Any] = {}
        if self.basic_auth is not None:
            given, file = self.basic_auth.password, self.basic_auth.password_file
            access["auth"] = (self.basic_auth.username, given or (secret(file) if file else ""))
        if (tls := self.tls_config) is not None:
            access["verify"] = str(tls.ca_file) if tls.ca_file else not tls.insecure_skip_verify
            if tls.cert_file:
                access["cert"] = (str(tls.cert_file), str(tls.key_file or tls.cert_file))
        return access


def _read(answer: requests.Response, until: float) -> bytes:
    body = b""
    for chunk in answer.iter_content(8192):
        body += chunk
        if len(body) >= _LONGEST:
            break
        if time.monotonic() > until:
            raise requests.Timeout
    return body[:_LONGEST]


def _judged(answer: Answer, host: str, url: str) -> Answer:
    if answer.status // 100 == 2:  # noqa: PLR2004 - HTTP's success
        return answer
    said = _without(url, " ".join(answer.text.split()))[:_MOST_SAID]
    reason = f"{host} answered {answer.status}{f': {said}' if said else ''}"
    if answer.status in _MAY_PASS or answer.status >= _SERVER_TROUBLE:
        raise PassingError(reason)
    raise PermanentError(reason)


def _without(url: str, said: str) -> str:
    """Take from what a server says what it repeats of the URL: its path or query may be the secret."""
    parts = urlsplit(url)
    words = [*re.split(r"[/?&=]", f"{parts.path}?{parts.query}"), parts.username or "", parts.password or ""]
    for word in sorted(words, key=len, reverse=True):
        said = said.replace(word, "…") if len(word) >= _SHORTEST_SECRET else said
    return said


def _short(error: BaseException) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted"
        case requests.Timeout():
            return "timed out"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return type(error).__name__
