"""How others are reached over HTTP: the keys of Prometheus and Alertmanagers, as Prometheus spells them."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

from pydantic import HttpUrl

from bridge.policy.keys import Keys
from remedy.config.durations import Duration


class BasicAuth(Keys):
    """As Prometheus spells it."""

    username: str
    """The user."""
    password: str | None = None
    """Better in a file."""
    password_file: Path | None = None
    """A file with the password, read when it is needed."""

    def model_post_init(self, _context: object) -> None:
        """See that there is one password."""
        if (self.password is None) == (self.password_file is None):
            raise ValueError("takes exactly one of password and password_file")


class Authorization(Keys):
    """As Prometheus spells it."""

    type: str = "Bearer"
    """The scheme."""
    credentials: str | None = None
    """Better in a file."""
    credentials_file: Path | None = None
    """A file with the credentials, read when they are needed."""

    def model_post_init(self, _context: object) -> None:
        """See that there is one credential."""
        if (self.credentials is None) == (self.credentials_file is None):
            raise ValueError("takes exactly one of credentials and credentials_file")


class TLSConfig(Keys):
    """As Prometheus spells it."""

    ca_file: Path | None = None
    """The authority to trust; else the system's."""
    cert_file: Path | None = None
    """Our own certificate, for those who ask for one."""
    key_file: Path | None = None
    """Its key."""
    insecure_skip_verify: bool = False
    """Trust anybody."""

    def model_post_init(self, _context: object) -> None:
        """See that a certificate comes with its key."""
        if (self.cert_file is None) != (self.key_file is None):
            raise ValueError("cert_file and key_file belong together")


class Peer(Keys):
    """A Prometheus or an Alertmanager that is asked."""

    url: HttpUrl
    """Where it answers, with a path prefix if it has one."""
    basic_auth: BasicAuth | None = None
    """A user and a password."""
    authorization: Authorization | None = None
    """A token, such as a bearer token."""
    tls_config: TLSConfig | None = None
    """For https."""
    timeout: Duration = timedelta(seconds=5)
    """How long one answer may take."""

    def model_post_init(self, _context: object) -> None:
        """See that there is one way to authenticate, as in Prometheus."""
        if self.basic_auth and self.authorization:
            raise ValueError("takes at most one of basic_auth and authorization")

    @property
    def base(self) -> str:
        """The URL without a slash at its end."""
        return str(self.url).rstrip("/")

    def files(self) -> Iterator[tuple[str, Path]]:
        """Yield the files that it needs, each with its key."""
        for section in ("basic_auth", "authorization", "tls_config"):
            for name, value in getattr(self, section) or ():
                if name.endswith("_file") and value is not None:
                    yield f"{section}.{name}", value
