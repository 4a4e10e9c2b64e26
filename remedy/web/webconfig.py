"""Prometheus' web configuration file: TLS, client certificates, headers and users with bcrypt passwords.

Source of the format: prometheus/exporter-toolkit, docs/web-configuration.md. What cannot be had here (asking for client
certificates without verifying them, curves, rate limits) is refused in words; nothing is silently left out.
"""

import re
import ssl
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from remedy.config.permissions import exposed
from remedy.config.problems import ConfigError, KeyPath
from remedy.config.yamlfile import read_yaml
from remedy.web.ciphers import openssl_name

_BCRYPT = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}")
_MIN_COST, _MAX_COST = 4, 15
"""2^15 rounds take some 3 seconds of a core; more lets anyone who can connect hold one for minutes."""


class ClientAuth(StrEnum):
    """What is asked of a client's certificate; the names are Go's."""

    NONE = "NoClientCert"
    VERIFY_IF_GIVEN = "VerifyClientCertIfGiven"
    REQUIRE = "RequireAndVerifyClientCert"


class TlsVersion(StrEnum):
    """The versions of TLS that may be spoken; older ones are broken."""

    TLS12 = "TLS12"
    TLS13 = "TLS13"


def _bcrypt_hash(value: object) -> str:
    match = _BCRYPT.fullmatch(value) if isinstance(value, str) else None
    if match is None:
        raise ValueError("is no bcrypt hash; make one with: htpasswd -nBC 10 USER")
    if not _MIN_COST <= int(match["cost"]) <= _MAX_COST:
        raise ValueError(f"its bcrypt cost is {match['cost']}: between {_MIN_COST} and {_MAX_COST} (10 is usual)")
    return match[0]


def _client_auth(value: object) -> object:
    if value in ("RequestClientCert", "RequireAnyClientCert"):
        raise ValueError(f"{value} takes certificates that nobody verified: use {ClientAuth.REQUIRE}")
    return value


def _no_curves(value: object) -> object:
    if value:
        raise ValueError("curves cannot be chosen here: leave it out, OpenSSL's own choice is good")
    return value


def _no_rate_limit(_value: object) -> None:
    raise ValueError("rates are not limited here: leave it out")


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class TlsServerConfig(_Section):
    """`tls_server_config`: paths are relative to the file until `read_web_config` has resolved them."""

    cert_file: Path
    key_file: Path
    client_auth_type: Annotated[ClientAuth, BeforeValidator(_client_auth)] = ClientAuth.NONE
    client_ca_file: Path | None = None
    client_allowed_sans: tuple[str, ...] = ()
    """A client's certificate must carry one of these alternative names; empty: any name will do."""
    min_version: TlsVersion = TlsVersion.TLS12
    max_version: TlsVersion = TlsVersion.TLS13
    cipher_suites: tuple[Annotated[str, AfterValidator(openssl_name)], ...] = ()
    """Written as Go names them, kept as OpenSSL does; TLS 1.2 only, since 1.3's are not chosen in Go either."""
    prefer_server_cipher_suites: bool = True
    curve_preferences: Annotated[tuple[str, ...], BeforeValidator(_no_curves)] = ()

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        verifies = self.client_auth_type is not ClientAuth.NONE
        if verifies and self.client_ca_file is None:
            raise ValueError(f"client_auth_type {self.client_auth_type} needs client_ca_file")
        if self.client_ca_file is not None and not verifies:
            raise ValueError(f"client_ca_file needs client_auth_type, such as {ClientAuth.REQUIRE}")
        if self.client_allowed_sans and not verifies:
            raise ValueError(f"client_allowed_sans needs client_auth_type, such as {ClientAuth.REQUIRE}")
        if self.min_version > self.max_version:
            raise ValueError(f"min_version {self.min_version} is above max_version {self.max_version}")
        return self


class Headers(_Section):
    """`http_server_config.headers`: the ones that exporter-toolkit knows, sent with every response."""

    strict_transport_security: str = Field(default="", alias="Strict-Transport-Security")
    content_security_policy: str = Field(default="", alias="Content-Security-Policy")
    x_frame_options: str = Field(default="", alias="X-Frame-Options", pattern="^(|deny|sameorigin)$")
    x_content_type_options: str = Field(default="", alias="X-Content-Type-Options", pattern="^(|nosniff)$")
    x_xss_protection: str = Field(default="", alias="X-XSS-Protection")


class HttpServerConfig(_Section):
    """`http_server_config`. `http2` is accepted either way: it allows HTTP/2, and what is served is HTTP/1.1."""

    http2: bool = True
    headers: Headers = Headers()


class WebConfig(_Section):
    """The whole file; an empty one is allowed, and asks for nothing."""

    tls_server_config: TlsServerConfig | None = None
    http_server_config: HttpServerConfig = HttpServerConfig()
    rate_limit: Annotated[None, BeforeValidator(_no_rate_limit)] = None
    basic_auth_users: dict[str, Annotated[str, BeforeValidator(_bcrypt_hash)]] = Field(default_factory=dict)

    @property
    def authenticates(self) -> bool:
        """Does nobody get in without a password or a certificate of their own?"""
        tls = self.tls_server_config
        return bool(self.basic_auth_users) or (tls is not None and tls.client_auth_type is ClientAuth.REQUIRE)

    @property
    def headers(self) -> dict[str, str]:
        """Return the headers for every response, by name."""
        return self.http_server_config.headers.model_dump(by_alias=True, exclude_defaults=True)


def read_web_config(file: Path, *, insecure: bool = False) -> WebConfig:
    """Read a web configuration file; relative paths in it are resolved against its folder.

    A private key that every user of the machine can read is refused unless `insecure` (some containers).

    Raises:
        ConfigError: everything that is wrong with it, certificates that do not load included.
    """
    document = read_yaml(file)
    config = document.validate(WebConfig, data={} if document.data is None else document.data)
    tls = config.tls_server_config
    problems = [document.problem(path, message) for path, message in _wrong_names(config)]
    if tls is not None:
        tls = tls.model_copy(update=_resolved(tls, file.parent))
        problems += [document.problem(path, message) for path, message in _wrong_files(tls, insecure=insecure)]
    if problems:
        raise ConfigError(problems)
    return config.model_copy(update={"tls_server_config": tls})


def _resolved(tls: TlsServerConfig, folder: Path) -> dict[str, Any]:
    paths = {key: getattr(tls, key) for key in ("cert_file", "key_file", "client_ca_file")}
    return {key: folder / path for key, path in paths.items() if path is not None}


def _wrong_names(config: WebConfig) -> Iterator[tuple[KeyPath, str]]:
    for name in config.basic_auth_users:
        if ":" in name or not name:
            yield ("basic_auth_users", name), "a user's name is not empty and has no colon"


def _wrong_files(tls: TlsServerConfig, *, insecure: bool) -> Iterator[tuple[KeyPath, str]]:
    section = "tls_server_config"
    unreadable = False
    for key in ("cert_file", "key_file", "client_ca_file"):
        path: Path | None = getattr(tls, key)
        try:
            if path is not None:
                path.open("rb").close()
        except OSError as error:
            unreadable = True
            yield (section, key), f"cannot be read: {error.strerror}: {path}"
    if unreadable:
        return
    if not insecure and (why := exposed(tls.key_file)):
        yield (section, "key_file"), why
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(tls.cert_file, tls.key_file, password="")
    except (ssl.SSLError, ValueError) as error:
        yield (section, "cert_file"), f"certificate and key do not load: {_reason(error)}"
    try:
        if tls.client_ca_file is not None:
            context.load_verify_locations(tls.client_ca_file)
    except ssl.SSLError as error:
        yield (section, "client_ca_file"), f"does not load: {_reason(error)}"


def _reason(error: Exception) -> str:
    reason = getattr(error, "reason", None)
    return str(reason or "no PEM in it").replace("_", " ").lower()
