"""The keys of remediation.yml, with their defaults. What a remediation becomes once it is checked is in `policy`."""

from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, HttpUrl

from bridge.actions.base import Allow
from remedy.config.durations import Duration

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]


class Mode(StrEnum):
    """How far the bridge may go. Of two modes the stricter holds."""

    AUTO = "auto"
    APPROVE = "approve"
    DRY_RUN = "dry_run"
    OFF = "off"


_STRICTNESS = [Mode.AUTO, Mode.APPROVE, Mode.DRY_RUN, Mode.OFF]


def stricter(one: Mode, other: Mode) -> Mode:
    """Return the stricter of two modes."""
    return max(one, other, key=_STRICTNESS.index)


def _yaml_off(value: object) -> object:
    """YAML 1.1 reads a bare `off` as false."""
    return "off" if value is False else value


ModeKey = Annotated[Mode, BeforeValidator(_yaml_off)]


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class BasicAuth(_Keys):
    """As Prometheus spells it."""

    username: str
    password: str | None = None
    password_file: Path | None = None


class Authorization(_Keys):
    """As Prometheus spells it."""

    type: str = "Bearer"
    credentials: str | None = None
    credentials_file: Path | None = None


class TLSConfig(_Keys):
    """As Prometheus spells it."""

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None
    insecure_skip_verify: bool = False


class Peer(_Keys):
    """A Prometheus or an Alertmanager that is asked."""

    url: HttpUrl
    basic_auth: BasicAuth | None = None
    authorization: Authorization | None = None
    tls_config: TLSConfig | None = None
    timeout: Duration = timedelta(seconds=5)

    @property
    def base(self) -> str:
        """The URL without a slash at its end."""
        return str(self.url).rstrip("/")


class Web(_Keys):
    """Where the bridge listens, and who may come in."""

    listen: str = Field(default="127.0.0.1:9095", pattern=r"^.+:[0-9]{1,5}$")
    bearer_token_file: Path | None = None
    config_file: Path | None = None
    external_hosts: tuple[str, ...] = ()
    """Further names under which the bridge is reached; the `Host` header is checked against them."""


class TargetLimit(_Keys):
    """The breaker: at most `max` distinct hosts for each remediation within `window`."""

    max: int = Field(default=5, ge=1)
    window: Duration = timedelta(minutes=10)


class Limits(_Keys):
    """How much may be done at once, in an hour, and to how many hosts."""

    concurrent: int = Field(default=4, ge=1, le=256)
    runs_per_hour: int = Field(default=60, ge=1)
    targets: TargetLimit = TargetLimit()


class Flapping(_Keys):
    """An alert that came back `times` times `within` this time is held and told to people."""

    times: int = Field(default=3, ge=1)
    within: Duration = timedelta(hours=1)


class EscalationLevel(_Keys):
    """When to tell whom. Exactly one `after_attempts`, `unresolved_for` or `flapping`."""

    to: tuple[str, ...] = Field(min_length=1)
    after_attempts: int | None = Field(default=None, ge=1)
    unresolved_for: Duration | None = None
    flapping: bool | None = None

    def model_post_init(self, _context: object) -> None:
        """See that the level says when, once."""
        if sum(when is not None for when in (self.after_attempts, self.unresolved_for, self.flapping)) != 1:
            raise ValueError("a level takes exactly one of after_attempts, unresolved_for and flapping")


class Defaults(_Keys):
    """What every remediation takes unless it says otherwise."""

    cooldown: Duration = timedelta(minutes=5)
    max_retries: int = Field(default=3, ge=0, le=100)
    retry_delay: Duration = timedelta(seconds=60)
    timeout: Duration = timedelta(seconds=60)
    backup: bool = True
    on_step_failure: Literal["stop", "continue"] = "stop"
    on_resolve: Literal["cancel", "finish"] = "cancel"
    flapping: Flapping = Flapping()
    escalate: tuple[EscalationLevel, ...] = ()


def _given_none(value: object) -> object:
    return {} if value is None else value


class RemediationKeys(_Keys):
    """One entry of `remediations:`. A key that is None is taken from `defaults:`."""

    name: Name
    match: Annotated[tuple[str, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = Field(min_length=1)
    continue_: bool = Field(default=False, alias="continue")
    host: str | None = None
    target: str | None = None
    mode: ModeKey = Mode.AUTO
    auto_fix: bool = True
    steps: tuple[dict[str, Any], ...] = ()
    verify: dict[str, Any] | Literal["none"] | None = None
    runbook_url: str | None = None
    cooldown: Duration | None = None
    max_retries: int | None = Field(default=None, ge=0, le=100)
    retry_delay: Duration | None = None
    timeout: Duration | None = None
    backup: bool | None = None
    on_step_failure: Literal["stop", "continue"] | None = None
    on_resolve: Literal["cancel", "finish"] | None = None
    flapping: Flapping | None = None
    escalate: tuple[EscalationLevel, ...] | None = None


def _sqlite_or_postgres(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError(f"{url!r} is not a database URL such as sqlite:////var/lib/remedy/ledger.db")
    return url


class Settings(_Keys):
    """The whole of remediation.yml, key by key."""

    mode: ModeKey = Mode.AUTO
    alertmanagers: tuple[Peer, ...] = ()
    prometheus: Peer | None = None
    database: Annotated[str, AfterValidator(_sqlite_or_postgres)] = "sqlite:///data/ledger.db"
    web: Annotated[Web, BeforeValidator(_given_none)] = Web()
    limits: Annotated[Limits, BeforeValidator(_given_none)] = Limits()
    defaults: Annotated[Defaults, BeforeValidator(_given_none)] = Defaults()
    allow: Annotated[Allow, BeforeValidator(_given_none)] = Allow()
    notifiers: Annotated[dict[Name, dict[str, Any]], BeforeValidator(_given_none)] = Field(default_factory=dict)
    remediations: tuple[RemediationKeys, ...] = ()
