"""Who is at the other end of a request: the local socket, this machine, or anyone; and the certificate they showed."""

import functools
import ipaddress
import pwd
import socket
import ssl
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Self

from remedy.web.tls import alternative_names

_UCRED = struct.Struct("3I")
_NO_UID = 2**32 - 1


class Reach(StrEnum):
    """How a request came. The mode of the local socket decides who can use it; loopback is open to every local user."""

    LOCAL_SOCKET = "local_socket"
    LOOPBACK = "loopback"
    NETWORK = "network"


@dataclass(frozen=True)
class Peer:
    """The other end of one request."""

    reach: Reach
    certificate: str | None = None
    """The name in the client certificate that the handshake verified: its first alternative name, else common name."""
    names: tuple[str, ...] = ()
    """Every name in it: its alternative names, else the common name."""
    user: str | None = None
    """The user of this machine at the other end of the local socket, for the record."""

    @classmethod
    def of(cls, environ: Mapping[str, Any]) -> Self:
        """Look at a WSGI environment as gunicorn makes it.

        What was forwarded is from the network, whoever forwarded it: a proxy on this machine would otherwise make
        everyone local. The header can only take rights away, so it need not be trusted.
        """
        connection = environ.get("gunicorn.socket")
        if getattr(connection, "family", None) == socket.AF_UNIX:
            return cls(Reach.LOCAL_SOCKET, user=_user_of(connection))
        forwarded = "HTTP_X_FORWARDED_FOR" in environ or "HTTP_FORWARDED" in environ
        local = not forwarded and is_loopback(environ.get("REMOTE_ADDR", ""))
        given = connection.getpeercert() if isinstance(connection, ssl.SSLSocket) else None
        reach = Reach.LOOPBACK if local else Reach.NETWORK
        if not given:
            return cls(reach)
        names = _certified_names(given)
        return cls(reach, names[0] if names else "a client certificate", names)


@functools.lru_cache(maxsize=256)  # asked for every request, of the same few
def is_loopback(host: str) -> bool:
    """Is a host (an address, or a name without its port) this machine itself? Names are not looked up."""
    if host.rstrip(".").lower() == "localhost":
        return True
    try:
        address = ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_loopback


def beyond_loopback(binds: tuple[str, ...]) -> list[str]:
    """Return those of the addresses to listen on (`host:port`, `unix:/path`) that others can reach."""
    return [bind for bind in binds if not bind.startswith("unix:") and not is_loopback(split_port(bind)[0])]


def split_port(bind: str) -> tuple[str, str]:
    """Split `host:port`, `[v6]:port` or a host alone; what is missing is empty. Brackets are dropped."""
    if bind.startswith("["):
        host, _, rest = bind[1:].partition("]")
        return host, rest.removeprefix(":")
    if bind.count(":") > 1:
        return bind, ""
    host, _, port = bind.partition(":")
    return host, port


def _user_of(connection: Any) -> str | None:
    """Ask the kernel who connected (unix(7), SO_PEERCRED)."""
    try:
        _pid, uid, _gid = _UCRED.unpack(connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size))
    except OSError:
        return None
    try:
        return pwd.getpwuid(uid).pw_name
    except (KeyError, OverflowError):
        return f"uid {uid}" if uid != _NO_UID else None


def _certified_names(certificate: Mapping[str, Any]) -> tuple[str, ...]:
    names = tuple(alternative_names(certificate))
    subject = (pair for group in certificate.get("subject", ()) for pair in group)
    return names or tuple(str(value) for key, value in subject if key == "commonName")
