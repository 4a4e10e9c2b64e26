"""HTTP for notifiers: authentication as Prometheus spells it, and errors that name no more of a URL than its host."""

import re
import time
from base64 import b64encode
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import requests
from pydantic import BaseModel
from urllib3.exceptions import HTTPError

from bridge.notifiers.base import PassingError, PermanentError
from bridge.policy.peer import Authorization, BasicAuth, TLSConfig
from remedy.web.in_time import pieces, session

_FORBIDDEN = 403
_MAY_PASS = frozenset({408, 425, 429})
_RATE_LIMIT_SECONDS, _LONGEST_WAIT_SECONDS = 60.0, 3600.0
_MOST_LOOKED_AT = 4096
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
        sent, access = {**self._authorization(), **(headers or {})}, self._access()
        try:
            with session() as asking:
                answer = asking.request(
                    method,
                    url,
                    json=body,
                    headers=sent,
                    timeout=timeout,
                    allow_redirects=False,
                    stream=True,
                    **access,
                )
                with answer:
                    body_said = b"".join(pieces(answer, until, _LONGEST))
        except (requests.exceptions.InvalidURL, requests.exceptions.InvalidSchema, requests.exceptions.MissingSchema):
            raise PermanentError("the URL is none") from None
        except (requests.RequestException, HTTPError, OSError) as error:
            raise PassingError(f"{host} did not answer: {_short(error)}") from None
        said = Answer(answer.status_code, body_said)
        secrets = _secrets(url, sent.get("Authorization", ""), access.get("auth", ()))
        return _judged(said, f"{host} answered {said.status}{_quoted(said, secrets)}", answer.headers)

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


def _judged(answer: Answer, reason: str, headers: Mapping[str, str]) -> Answer:
    if answer.status // 100 == 2:  # noqa: PLR2004 - HTTP's success
        return answer
    limited = answer.status == _FORBIDDEN and _is_rate_limit(answer, headers)
    if limited or answer.status in _MAY_PASS or answer.status >= _SERVER_TROUBLE:
        raise PassingError(reason, _asked_wait(headers, time.time()) or (_RATE_LIMIT_SECONDS if limited else 0))
    raise PermanentError(reason)


def _is_rate_limit(answer: Answer, headers: Mapping[str, str]) -> bool:
    """Tell a 403 of GitHub that is a rate limit from one that says that we may not.

    https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api
    """
    told = "Retry-After" in headers or headers.get("X-RateLimit-Remaining") == "0"
    return told or "rate limit" in answer.text[:_MOST_LOOKED_AT].lower()


def _asked_wait(headers: Mapping[str, str], now: float) -> float:
    """Return the seconds that a server wants to be left in peace for, an hour at most; 0 where it does not say."""
    after, reset = headers.get("Retry-After", ""), headers.get("X-RateLimit-Reset", "")
    wait = 0.0
    if after.isascii() and after.isdigit():
        wait = float(after[:9])
    elif after:
        with suppress(ValueError, OverflowError):
            wait = parsedate_to_datetime(after).timestamp() - now
    elif headers.get("X-RateLimit-Remaining") == "0" and reset.isascii() and reset.isdigit():
        wait = float(reset[:12]) - now
    return min(max(0.0, wait), _LONGEST_WAIT_SECONDS)


def _quoted(answer: Answer, secrets: Iterable[str]) -> str:
    """Quote a little of what a server says, without what it repeats of our secrets."""
    said = " ".join(answer.text[:_MOST_LOOKED_AT].split())
    for word in sorted(secrets, key=len, reverse=True):
        said = said.replace(word, "…") if len(word) >= _SHORTEST_SECRET else said
    return f": {said[:_MOST_SAID]}" if said else ""


def _secrets(url: str, authorization: str, login: Sequence[str]) -> list[str]:
    """Return what we sent that may be a secret: parts of the URL, as they stand in it and as they are meant, too."""
    parts = urlsplit(url)
    words = [*re.split(r"[/?&=]", f"{parts.path}?{parts.query}"), parts.username or "", parts.password or ""]
    basic = b64encode(":".join(login).encode()).decode("ascii")
    return [*words, *map(unquote, words), *authorization.split(), *login, basic]


def _short(error: BaseException) -> str:
    match error:
        case requests.exceptions.SSLError():
            return "its certificate is not trusted"
        case requests.Timeout() | TimeoutError():
            return "timed out"
        case requests.ConnectionError():
            return "no connection"
        case _:
            return type(error).__name__
