"""Who may do what. Alertmanager's token opens /webhook and nothing else; changes and step output need an operator.

Any local user can reach loopback, so loopback alone opens reading, without step output, and no change.
"""

from collections.abc import Mapping
from enum import Enum, StrEnum, auto
from typing import Any

from remedy.web.auth import Authenticator, Headers, Identity, TokenFile, Users
from remedy.web.peer import Peer, Reach


class Role(StrEnum):
    """What a credential stands for."""

    SENDER = "sender"
    """An Alertmanager."""
    OPERATOR = "operator"


class Wants(Enum):
    """What a request is after."""

    NOTHING_SECRET = auto()
    """Health and metrics."""
    READ = auto()
    NOTIFY = auto()
    CHANGE = auto()
    """Also what steps printed."""


class Access:
    """Decides from the credentials of a request and from where it came."""

    def __init__(self, tokens: list[TokenFile], users: Users | None, *, certificates: bool) -> None:
        self._senders_known = bool(tokens) or bool(users) or certificates
        self._authenticator = Authenticator(
            tokens,
            users,
            certificates=Role.OPERATOR if certificates else None,
            local_socket=Role.OPERATOR,
        )

    def identify(self, headers: Headers, environ: Mapping[str, Any]) -> tuple[Identity | None, Peer]:
        """Tell who sends a request, and from where."""
        peer = Peer.of(environ)
        return self._authenticator.identify(headers, peer), peer

    def allows(self, wants: Wants, identity: Identity | None, peer: Peer) -> bool:
        """Tell whether such a request may do what it wants."""
        operator = identity is not None and identity.role == Role.OPERATOR
        match wants:
            case Wants.NOTHING_SECRET:
                return True
            case Wants.READ:
                return operator or peer.reach is not Reach.NETWORK
            case Wants.NOTIFY:
                return identity is not None or (not self._senders_known and peer.reach is not Reach.NETWORK)
            case Wants.CHANGE:
                return operator

    def challenges(self) -> list[str]:
        """Return the values of `WWW-Authenticate` for a 401."""
        return self._authenticator.challenges()
