"""TLS for gunicorn from a web configuration: versions, ciphers, client certificates, and certificates that are renewed.

Stands where gunicorn expects an `ssl.SSLContext` (it only calls `wrap_socket`): a certificate that was renewed is used
from the next connection on, a client that never finishes its handshake does not keep a thread, and the local socket
stays without TLS.
"""

import socket
import ssl
from collections.abc import Callable, Iterator

from remedy.config.stamp import Stamp, stamp
from remedy.web.ciphers import openssl_list
from remedy.web.webconfig import ClientAuth, TlsServerConfig, TlsVersion

_VERSIONS = {TlsVersion.TLS12: ssl.TLSVersion.TLSv1_2, TlsVersion.TLS13: ssl.TLSVersion.TLSv1_3}
_VERIFY = {
    ClientAuth.NONE: ssl.CERT_NONE,
    ClientAuth.VERIFY_IF_GIVEN: ssl.CERT_OPTIONAL,
    ClientAuth.REQUIRE: ssl.CERT_REQUIRED,
}
_HANDSHAKE_SECONDS = 10.0


class ServerTls:
    """Wraps accepted connections; `warn` is told, in a sentence, when a renewed certificate does not load."""

    def __init__(self, config: TlsServerConfig, warn: Callable[[str], None]) -> None:
        self.config = config
        self._warn = warn
        self._seen = self._stamp()
        self._context = self._load()

    def wrap_socket(
        self, sock: socket.socket, *, server_side: bool, suppress_ragged_eofs: bool, do_handshake_on_connect: bool
    ) -> socket.socket:
        """Do the handshake on a TCP connection; a local one is returned as it is.

        Raises:
            ssl.SSLError: the handshake failed, or the client's certificate carries no allowed name.
            TimeoutError: it took longer than 10 seconds.
        """
        if sock.family == socket.AF_UNIX:
            return sock
        sock.settimeout(_HANDSHAKE_SECONDS)
        wrapped = self._current().wrap_socket(
            sock,
            server_side=server_side,
            suppress_ragged_eofs=suppress_ragged_eofs,
            do_handshake_on_connect=do_handshake_on_connect,
        )
        allowed = set(self.config.client_allowed_sans)
        given = wrapped.getpeercert()
        if allowed and given and not allowed.intersection(alternative_names(given)):
            wrapped.close()
            raise ssl.SSLError("the client's certificate carries none of client_allowed_sans")
        wrapped.settimeout(None)
        return wrapped

    def _current(self) -> ssl.SSLContext:
        now = self._stamp()
        if now != self._seen:
            try:
                self._context = self._load()
            except (OSError, ValueError) as error:
                self._warn(f"the changed certificate {self.config.cert_file} does not load, the old one stays: {error}")
            self._seen = now
        return self._context

    def _load(self) -> ssl.SSLContext:
        config = self.config
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = _VERSIONS[config.min_version]
        context.maximum_version = _VERSIONS[config.max_version]
        context.verify_mode = _VERIFY[config.client_auth_type]
        context.load_cert_chain(config.cert_file, config.key_file, password="")
        if config.client_ca_file is not None:
            context.load_verify_locations(config.client_ca_file)
        if ciphers := openssl_list(config.cipher_suites):
            context.set_ciphers(ciphers)
        if not config.prefer_server_cipher_suites:
            context.options &= ~ssl.OP_CIPHER_SERVER_PREFERENCE
        return context

    def _stamp(self) -> tuple[Stamp, ...]:
        files = (self.config.cert_file, self.config.key_file, self.config.client_ca_file)
        return tuple(stamp(file) for file in files if file is not None)


def alternative_names(certificate: object) -> Iterator[str]:
    """Yield the alternative names of what `SSLSocket.getpeercert` returns: DNS names, addresses, URIs, mail."""
    if isinstance(certificate, dict):
        for _kind, name in certificate.get("subjectAltName", ()):
            yield str(name)
