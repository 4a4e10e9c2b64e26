"""A TLS certificate."""

import socket
import ssl
import time
from datetime import timedelta
from pathlib import Path

from pydantic import Field, model_validator

from exporters.checks.base import Check, CheckContext, CheckResult, Status, unhealthy
from remedy.config.durations import Duration, format_duration
from remedy.config.extras import require

_DAY = 86400


class TlsCertificate(Check):
    """How long a certificate is still good: one in a file, or the one that a server shows. Its value is in seconds.

    Whether anyone trusts it is not asked: it may be self-signed.

        - {name: certificate, kind: tls_certificate, path: /etc/ssl/app.pem, threshold: 30d, interval: 1h}
        - {name: site, kind: tls_certificate, host: example.org, port: 443, threshold: 7d, interval: 1h}
    """

    path: Path | None = Field(default=None, description="A PEM file; its first certificate counts.")
    host: str | None = Field(default=None, description="A server to ask instead.")
    port: int = Field(default=443, ge=1, le=65535)
    server_name: str | None = Field(default=None, description="The name to ask for, where it is not the host.")
    threshold: Duration = Field(default=timedelta(days=30), description="Less than this left is unhealthy.")

    @model_validator(mode="after")
    def _fits_together(self) -> "TlsCertificate":
        require("cryptography", "tls")
        if (self.path is None) == (self.host is None):
            raise ValueError("exactly one of the keys 'path' and 'host' is needed")
        return self

    def run(self, context: CheckContext) -> CheckResult:
        where = str(self.path) if self.path else f"{self.host}:{self.port}"
        try:
            pem = self.path.read_bytes() if self.path else self._shown(context)
        except OSError as error:
            return unhealthy(f"{where}: {error.strerror or error}")
        certificate = require("cryptography.x509", "tls").load_pem_x509_certificate(pem)
        begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
        left, limit = ends - time.time(), self.threshold.total_seconds()
        if begins > time.time():
            return unhealthy(f"{where} is not valid yet", left, "seconds")
        said = f"expires in {left / _DAY:.1f} days" if left > 0 else f"expired {-left / _DAY:.1f} days ago"
        said += f", less than {format_duration(self.threshold)}" if 0 < left < limit else ""
        status = Status.UNHEALTHY if left < limit else Status.HEALTHY
        return CheckResult(status, f"{where} {said}", left, "seconds", limit)

    def _shown(self, context: CheckContext) -> bytes:
        asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
        with (
            socket.create_connection((str(self.host), self.port), timeout=context.remaining()) as plain,
            asking.wrap_socket(plain, server_hostname=self.server_name or self.host) as tls,
        ):
            return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"").encode()
