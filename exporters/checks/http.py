"""An HTTP endpoint."""

import re
import time
from dataclasses import replace
from pathlib import Path
from typing import Literal

import requests
import urllib3
from pydantic import Field, HttpUrl, model_validator

from exporters.checks._certificate import Validity, shown, validity
from exporters.checks._fields import Regex
from exporters.checks._patience import in_time
from exporters.checks.base import Check, CheckContext, CheckError, CheckResult, Measured, Status, unhealthy, within
from remedy.config.durations import Duration
from remedy.config.extras import MissingExtra, require

_BODY_LIMIT = 1024 * 1024
_CHUNK = 64 * 1024


class Http(Check):
    """An HTTP or HTTPS endpoint: its status, its body and how long it took. Its value is the time in seconds.

    Of an HTTPS endpoint the certificate is looked at as well (with the extra `tls`): how many seconds it is still good
    is a second value, with the unit `certificate_seconds`, and less than `certificate_threshold` is unhealthy.

    - {name: http_endpoint, kind: http, url: "http://localhost:5100/api/health", critical: true}
    - {name: api, kind: http, url: "https://localhost:6443/api/v1/health", tls_verify: false, timeout: 5s,
       body: '"status"\\s*:\\s*"ok"', max_latency: 2s, certificate_threshold: 7d}
    """

    url: HttpUrl
    method: Literal["GET", "HEAD", "POST", "PUT", "OPTIONS"] = "GET"
    headers: dict[str, str] = Field(default={}, description="Headers to send.")
    headers_file: Path | None = Field(
        default=None,
        description="A file with more of them, secret ones, a `Name: value` a line. Redirects are not followed then.",
    )
    body_file: Path | None = Field(default=None, description="A file whose content is sent.")
    status: list[int] = Field(default=[], description="The statuses that are healthy; else 200 to 299.")
    body: Regex | None = Field(default=None, description="A regex that the answer must hold.")
    max_latency: Duration | None = Field(default=None, description="A slower answer is unhealthy.")
    tls_verify: bool | Path = Field(default=True, description="false for self-signed ones, or a file of authorities.")
    certificate_threshold: Duration | None = Field(
        default=None, description="A certificate that expires sooner is unhealthy. Else its time is only a value."
    )
    follow_redirects: bool = True

    @model_validator(mode="after")
    def _can_read_certificates(self) -> "Http":
        if self.certificate_threshold is not None:
            if self.url.scheme != "https":
                raise ValueError("the key 'certificate_threshold' needs an https URL")
            require("cryptography", "tls")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        started = time.monotonic()
        try:
            return in_time(context, lambda: self._with_certificate(self._answered(context), context))
        except (requests.Timeout, TimeoutError):
            return unhealthy(f"{self.url} did not answer within {time.monotonic() - started:.1f} s")
        except requests.exceptions.SSLError as error:
            return unhealthy(f"{self.url}: TLS: {_innermost(error)}")
        except (requests.RequestException, OSError) as error:
            return unhealthy(f"{self.url}: {_innermost(error)}")

    def _answered(self, context: CheckContext) -> CheckResult:
        started = time.monotonic()
        status, text = self._ask(context)
        took = time.monotonic() - started
        if not (status in self.status if self.status else 200 <= status < 300):  # noqa: PLR2004 - HTTP's own numbers
            return unhealthy(f"{self.url} answered {status}", took, "seconds", status_code=status)
        if self.body is not None and not re.search(self.body, text):
            return unhealthy(f"{self.url} answered nothing that {self.body!r} finds", took, "seconds")
        limit = self.max_latency.total_seconds() if self.max_latency else None
        return within(took, limit, "seconds", f"{self.url} answered {status} in {took:.3f} s", status_code=status)

    def _with_certificate(self, result: CheckResult, context: CheckContext) -> CheckResult:
        """Add what the server's certificate says; a second handshake, since HTTP/1.0 leaves none to look at."""
        found = self._certificate(context)
        if found is None:
            return result
        least = self.certificate_threshold
        measured = Measured(found.left, "certificate_seconds", least.total_seconds() if least else None)
        details = {**result.details, "certificate_seconds": round(found.left)}
        result = replace(result, also=(measured,), details=details)
        if least is None or found.suffices(least):
            return result
        return replace(
            result, status=Status.UNHEALTHY, message=f"{result.message}; its certificate {found.said(least)}"
        )

    def _certificate(self, context: CheckContext) -> Validity | None:
        if self.url.scheme != "https" or self.url.host is None:
            return None
        host = self.url.host.strip("[]")
        try:
            return validity(shown(host, self.url.port or 443, host, context))
        except (MissingExtra, OSError, CheckError):
            if self.certificate_threshold is None:  # nobody asked for it
                return None
            raise

    def _secret_headers(self) -> dict[str, str]:
        if self.headers_file is None:
            return {}
        lines = self.headers_file.read_text(encoding="utf-8").splitlines()
        return dict(_header(line) for line in lines if line.strip())

    def _ask(self, context: CheckContext) -> tuple[int, str]:
        """Return the status and the body's first part; the whole of it under the one deadline."""
        with requests.Session() as session:
            session.trust_env = False  # a proxy or a .netrc of whoever started us is no part of the check
            if self.tls_verify is False:
                urllib3.disable_warnings(urllib3.exceptions.InsecureRequestWarning)
            with session.request(
                self.method,
                str(self.url),
                headers={**self.headers, **self._secret_headers()},
                data=self.body_file.read_bytes() if self.body_file else None,
                timeout=context.remaining(),
                verify=str(self.tls_verify) if isinstance(self.tls_verify, Path) else self.tls_verify,
                allow_redirects=self.follow_redirects and self.headers_file is None,
                stream=True,
            ) as response:
                body = bytearray()
                for chunk in response.iter_content(_CHUNK):
                    body += chunk
                    if len(body) >= _BODY_LIMIT:
                        break
                    if time.monotonic() >= context.deadline:
                        raise CheckError(f"{self.url} was still sending when the time was up")
                return response.status_code, body.decode("utf-8", "replace")


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon or not name.strip():
        raise CheckError("a line of the headers_file has not the form 'Name: value'")
    return name.strip(), value.strip()


def _innermost(error: BaseException) -> str:
    """Say the cause at the bottom, without the addresses of objects that the layers above print."""
    inner = error.__context__ or error.__cause__ or getattr(error, "reason", None)
    if isinstance(inner, BaseException):
        return _innermost(inner)
    return str(getattr(error, "strerror", None) or str(error) or type(error).__name__)
