"""A TLS certificate."""

from datetime import timedelta
from pathlib import Path

from pydantic import Field, model_validator

from exporters.checks._certificate import shown, validity
from exporters.checks._patience import in_time
from exporters.checks.base import Check, CheckContext, CheckResult, Status, unhealthy
from remedy.config.durations import Duration
from remedy.config.extras import require


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
            found = validity(self.path.read_bytes() if self.path else in_time(context, lambda: self._shown(context)))
        except TimeoutError:
            return unhealthy(f"{where} did not answer in time")
        except OSError as error:
            return unhealthy(f"{where}: {error.strerror or error}")
        except ValueError:
            return unhealthy(f"{where} holds no certificate that can be read")
        status = Status.HEALTHY if found.suffices(self.threshold) else Status.UNHEALTHY
        message = f"{where} {found.said(self.threshold)}"
        return CheckResult(status, message, found.left, "seconds", self.threshold.total_seconds())

    def _shown(self, context: CheckContext) -> bytes:
        host = str(self.host)
        return shown(host, self.port, self.server_name or host, context)
