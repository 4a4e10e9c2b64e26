"""Requests that a web page sends in someone's name: by a name that was made to point here, or across sites.

DNS rebinding: a page at attacker.example lets its own name resolve to 127.0.0.1 and reads what is open on loopback. Its
requests carry `Host: attacker.example`, so only known names are answered. An address cannot be rebound.
Across sites: a page may post to us with the password that the browser keeps; browsers say so in `Origin` and
`Sec-Fetch-Site`.
"""

import ipaddress
from collections.abc import Iterable
from urllib.parse import urlsplit

from remedy.web.auth import Headers
from remedy.web.peer import split_port


class HostCheck:
    """Knows the names that a service answers to."""

    def __init__(self, binds: Iterable[str], names: Iterable[str] = ()) -> None:
        """Take the addresses that it listens on and the names it is called by (this machine's, the configured)."""
        listened = (split_port(bind)[0] for bind in binds if not bind.startswith("unix:"))
        self._names = {_plain(name) for name in ("localhost", *listened, *names) if name}

    def knows(self, host: str | None) -> bool:
        """Is a `Host` header one of ours: a known name or an address, with or without a port? A missing one is not."""
        if not host:
            return False
        name = _plain(split_port(host)[0])
        return name in self._names or _is_address(name)


def crosses_sites(headers: Headers) -> bool:
    """Did a page of another site send this? Programs, which send neither header, did not."""
    if headers.get("Sec-Fetch-Site") not in (None, "none", "same-origin"):
        return True
    origin = headers.get("Origin")
    return origin is not None and urlsplit(origin).netloc.lower() != (headers.get("Host") or "").lower()


def _plain(name: str) -> str:
    return name.rstrip(".").lower()


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
