"""Who sends a request: bearer tokens from files, users with bcrypt passwords, client certificates, the local socket.

Each credential carries a role, a word of the application's own; what a role opens is the application's matter.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Protocol

import bcrypt

from remedy.config.permissions import exposed
from remedy.config.problems import ConfigError, Problem, unreadable
from remedy.config.stamp import stamp
from remedy.web.peer import Peer, Reach, beyond_loopback

_REMEMBERED = 100
"""Passwords that were right and are not put through bcrypt again; the number is exporter-toolkit's."""
_IN_LINE = 4
"""Passwords that are checked or wait for it, at most: a few of a server's threads."""


class BusyError(Exception):
    """So many passwords are being checked that whoever brings one more must come again: nobody knows if it is right."""

    def __init__(self) -> None:
        super().__init__("too many passwords are being checked: come again in a second")


class Proof(StrEnum):
    """How an identity was shown."""

    BEARER = "bearer"
    BASIC = "basic"
    CERTIFICATE = "certificate"
    LOCAL_SOCKET = "local_socket"


@dataclass(frozen=True)
class Identity:
    """Who sent a request, for the record: never holds a secret."""

    name: str
    """The user, the name in the certificate, the name of the token's file, or the user of this machine."""
    proof: Proof
    role: str


class TokenFile:
    """Bearer tokens, one a line (a second one lets a token be exchanged without a gap), read anew when they change.

    While the file cannot be read, or is empty, no token is right.
    """

    def __init__(self, file: Path, role: str) -> None:
        self.file, self.role = file, role
        self._seen = stamp(file)
        self._digests = self._read()

    def holds(self, token: str) -> bool:
        """Is this one of the tokens? Takes the same time whichever it is not."""
        now = stamp(self.file)
        if now != self._seen:
            self._digests, self._seen = self._read(), now
        given = _digest(token)
        matches = [hmac.compare_digest(given, known) for known in self._digests]
        return any(matches)

    def _read(self) -> list[bytes]:
        try:
            return [_digest(line) for line in self.file.read_text(encoding="utf-8").split()]
        except (OSError, UnicodeDecodeError):
            return []


def token_problems(file: Path, *, insecure: bool = False) -> list[Problem]:
    """Look at a token file before it is used: there, not empty, and no secret to every user of the machine."""
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8").splitlines()]
        why = None if insecure else exposed(file)
    except OSError as error:
        return unreadable(file, error).problems
    except UnicodeDecodeError:
        return [Problem(str(file), None, "", "is no token: it is not text")]
    if not any(lines):
        return [Problem(str(file), None, "", "holds no token; make one with: openssl rand -hex 32")]
    found = [Problem(str(file), number, "", wrong) for number, line in enumerate(lines, 1) if (wrong := _wrong(line))]
    return found + ([Problem(str(file), None, "", why)] if why else [])


def _wrong(token: str) -> str:
    """Say why no request can show such a token: what is not ASCII comes as other characters, or not at all."""
    if len(token.split()) > 1:
        return "a token has no spaces in it"
    return "" if token.isascii() and token.isprintable() else "a token has printable ASCII characters only"


class Users:
    """Users with bcrypt hashes. A right password is remembered, keyed with a secret of this process, not repeated.

    One password is checked at a time and few wait for their turn, so that guessing takes neither more than one core nor
    the threads that Alertmanager needs; who comes on top must come again. An unknown user takes as long as a known one.
    """

    def __init__(self, hashes: Mapping[str, str], role: str) -> None:
        self.role = role
        self._hashes = {name: value.encode() for name, value in hashes.items()}
        cost = max((int(value.split(b"$")[2]) for value in self._hashes.values()), default=10)
        self._nobody = f"$2b${cost:02}${'.' * 53}".encode()
        self._key = secrets.token_bytes(32)
        self._right: OrderedDict[bytes, None] = OrderedDict()
        self._one_at_a_time = threading.Lock()
        self._few_in_line = threading.BoundedSemaphore(_IN_LINE)

    def holds(self, name: str, password: str) -> bool:
        """Is this the user's password?

        Raises:
            BusyError: it was not looked at.
        """
        known = self._hashes.get(name, self._nobody)
        mark = hmac.digest(self._key, known + b"\0" + password.encode(), "sha256")
        if mark in self._right:
            return True
        if not self._few_in_line.acquire(blocking=False):
            raise BusyError
        try:
            with self._one_at_a_time:
                right = _is_password(password, known) and name in self._hashes
                if right:
                    self._remember(mark)
        finally:
            self._few_in_line.release()
        return right

    def _remember(self, mark: bytes) -> None:
        self._right[mark] = None
        if len(self._right) > _REMEMBERED:
            self._right.popitem(last=False)

    def __bool__(self) -> bool:
        return bool(self._hashes)


class Headers(Protocol):
    """The headers of a request, by name in any case, as Flask's `request.headers` gives them."""

    def get(self, key: str, /) -> str | None:
        """Return one."""


class Authenticator:
    """Tells who sent a request. Make a new one at reload; changed token files need none."""

    def __init__(
        self,
        tokens: Sequence[TokenFile] = (),
        users: Users | None = None,
        *,
        certificates: str | None = None,
        local_socket: str | None = None,
    ) -> None:
        """Take the credentials; `certificates` and `local_socket` are the roles these give, None if none."""
        self._tokens, self._users = tokens, users
        self._certificates, self._local_socket = certificates, local_socket

    def identify(self, headers: Headers, peer: Peer) -> Identity | None:
        """Tell who sent a request. None: no credential, or a wrong one.

        What stands in `Authorization` counts before a certificate or the local socket: a wrong one is wrong everywhere.

        Raises:
            BusyError: nobody had the time to look.
        """
        given = headers.get("Authorization")
        if given is not None:
            scheme, _, value = given.strip().partition(" ")
            return self._proven(scheme.lower(), value.strip())
        if peer.reach is Reach.LOCAL_SOCKET and self._local_socket is not None:
            return Identity(peer.user or "local socket", Proof.LOCAL_SOCKET, self._local_socket)
        if peer.certificate is not None and self._certificates is not None:
            return Identity(peer.certificate, Proof.CERTIFICATE, self._certificates)
        return None

    def challenges(self) -> list[str]:
        """Return the values of `WWW-Authenticate` for a 401."""
        bearer = ['Bearer realm="remedy"'] if self._tokens else []
        return bearer + (['Basic realm="remedy", charset="UTF-8"'] if self._users else [])

    def _proven(self, scheme: str, value: str) -> Identity | None:
        if scheme == "bearer":
            matching = [tokens for tokens in self._tokens if tokens.holds(value)]
            return Identity(matching[0].file.name, Proof.BEARER, matching[0].role) if matching else None
        if scheme == "basic" and self._users:
            name, password = _user_and_password(value)
            if self._users.holds(name, password):
                return Identity(name, Proof.BASIC, self._users.role)
        return None


def refuse_open(binds: tuple[str, ...], *, authenticates: bool, remedy: str) -> None:
    """Hold the rule that nothing listens beyond loopback without authentication.

    Raises:
        ConfigError: it would; `remedy` says which keys to set.
    """
    reachable = beyond_loopback(binds)
    if reachable and not authenticates:
        raise ConfigError(
            Problem(bind, None, "", f"others can reach this address, and nobody has to authenticate: {remedy}")
            for bind in reachable
        )


def _user_and_password(value: str) -> tuple[str, str]:
    try:
        name, _, password = base64.b64decode(value, validate=True).decode("utf-8").partition(":")
    except (binascii.Error, ValueError):
        return "", ""
    return name, password


def _is_password(password: str, known: bytes) -> bool:
    secret = password.encode()
    if len(secret) > 72 or b"\0" in secret:  # noqa: PLR2004 - bcrypt's own limits: nobody has such a password
        bcrypt.checkpw(b"", known)
        return False
    return bcrypt.checkpw(secret, known)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
