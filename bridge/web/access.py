"""Who may do what. Alertmanager's token opens /webhook and nothing else; changes and step output need an operator.

So do the credentials of a user, or of a client certificate, that is not named among the operators.

Any local user can reach loopback, so loopback alone opens reading, without step output, and no change.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import Enum, StrEnum, auto
from typing import Any

from remedy.web.auth import Authenticator, Headers, Identity, Proof, TokenFile, Users
from remedy.web.hosts import HostCheck
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

    def __init__(
        self, tokens: list[TokenFile], users: Users | None, *, certificates: bool, operators: Sequence[str] | None
    ) -> None:
        """Take the credentials; `operators` names users and certificates, None: every user and no certificate."""
        self._operators = operators
        self._senders_known = bool(tokens) or bool(users) or certificates
        self._authenticator = Authenticator(
            tokens,
            users,
            certificates=Role.SENDER if certificates else None,
            local_socket=Role.OPERATOR,
        )

    def identify(self, headers: Headers, environ: Mapping[str, Any]) -> tuple[Identity | None, Peer]:
        """Tell who sends a request, and from where.

        Raises:
            BusyError: nobody had the time to look.
        """
        peer = Peer.of(environ)
        identity = self._authenticator.identify(headers, peer)
        return identity and self._in_role(identity, peer), peer

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

    def _in_role(self, identity: Identity, peer: Peer) -> Identity:
        """Go by the names of operators, where users and certificates are concerned."""
        if identity.proof not in (Proof.BASIC, Proof.CERTIFICATE) or self._operators is None:
            return identity
        names = peer.names if identity.proof is Proof.CERTIFICATE else (identity.name,)
        named = not set(names).isdisjoint(self._operators)
        return replace(identity, role=Role.OPERATOR if named else Role.SENDER)

    def challenges(self) -> list[str]:
        """Return the values of `WWW-Authenticate` for a 401."""
        return self._authenticator.challenges()


@dataclass(frozen=True)
class Admission:
    """What the configuration says of who may come in; another one takes its place when it is read anew."""

    access: Access
    hosts: HostCheck
    """The names under which the bridge is reached."""
    headers: Mapping[str, str]
    """Added to every answer."""
