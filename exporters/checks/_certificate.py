"""The certificate that a TLS server shows, whether anyone trusts it or not, and how long certificates are good."""

import socket
import ssl
import time
from dataclasses import dataclass

from exporters.checks.base import CheckContext
from remedy.config.durations import Duration, format_duration
from remedy.config.extras import require

_DAY = 86400


@dataclass(frozen=True)
class Validity:
    """When a certificate is good, seen from now."""

    until_begin: float
    """Seconds; above 0, it is not valid yet."""
    left: float
    """Seconds; below 0, it has expired."""

    def said(self, least: Duration | None) -> str:
        """Say it for people."""
        if self.until_begin > 0:
            return "is not valid yet"
        if self.left <= 0:
            return f"expired {-self.left / _DAY:.1f} days ago"
        text = f"expires in {self.left / _DAY:.1f} days"
        if least is None or self.left >= least.total_seconds():
            return text
        return f"{text}, less than {format_duration(least)}"

    def suffices(self, least: Duration | None) -> bool:
        """Tell whether it is good now and, if a least time is given, for that long."""
        return self.until_begin <= 0 and (least is None or self.left >= least.total_seconds())


def validity(pem: bytes) -> Validity:
    """Read a certificate.

    Raises:
        ValueError: it is none.
    """
    certificate = require("cryptography.x509", "tls").load_pem_x509_certificate(pem)
    begins, ends = certificate.not_valid_before_utc.timestamp(), certificate.not_valid_after_utc.timestamp()
    return Validity(begins - time.time(), ends - time.time())


def shown(host: str, port: int, server_name: str, context: CheckContext) -> bytes:
    """Return the certificate that a server shows, as PEM.

    Raises:
        OSError: the server cannot be reached, or speaks no TLS.
    """
    asking = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    asking.check_hostname, asking.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection((host, port), timeout=context.remaining()) as plain,
        asking.wrap_socket(plain, server_hostname=server_name) as tls,
    ):
        return ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True) or b"").encode()
