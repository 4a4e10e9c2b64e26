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
    """The user."""
    password: str | None = None
    """Better in a file."""
    password_file: Path | None = None
    """A file with the password, read when it is needed."""


class Authorization(_Keys):
    """As Prometheus spells it."""

    type: str = "Bearer"
    """The scheme."""
    credentials: str | None = None
    """Better in a file."""
    credentials_file: Path | None = None
    """A file with the credentials, read when they are needed."""


class TLSConfig(_Keys):
    """As Prometheus spells it."""

    ca_file: Path | None = None
    """The authority to trust; else the system's."""
    cert_file: Path | None = None
    """Our own certificate, for those who ask for one."""
    key_file: Path | None = None
    """Its key."""
    insecure_skip_verify: bool = False
    """Trust anybody."""


class Peer(_Keys):
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

    @property
    def base(self) -> str:
        """The URL without a slash at its end."""
        return str(self.url).rstrip("/")


class Web(_Keys):
    """Where the bridge listens, and who may come in."""

    listen: str = Field(default="127.0.0.1:9095", pattern=r"^.+:[0-9]{1,5}$")
    """`host:port`. Beyond loopback only with authentication."""
    bearer_token_file: Path | None = None
    """Alertmanager's token: opens `/webhook` and nothing else. One a line; changes are picked up."""
    config_file: Path | None = None
    """Prometheus' web configuration file: TLS, client certificates, operators with bcrypt passwords."""
    external_hosts: tuple[str, ...] = ()
    """Further names under which the bridge is reached; the `Host` header is checked against them."""


class TargetLimit(_Keys):
    """The breaker: at most `max` distinct hosts for each remediation within `window`."""

    max: int = Field(default=5, ge=1)
    """Hosts."""
    window: Duration = timedelta(minutes=10)
    """Within this time, up to now."""


class Limits(_Keys):
    """How much may be done at once, in an hour, and to how many hosts."""

    concurrent: int = Field(default=4, ge=1, le=256)
    """Runs at work at once."""
    runs_per_hour: int = Field(default=60, ge=1)
    """Runs started within the last hour."""
    targets: TargetLimit = TargetLimit()
    """The breaker."""


class Flapping(_Keys):
    """An alert that came back `times` times `within` this time is held and told to people."""

    times: int = Field(default=3, ge=1)
    """Returns."""
    within: Duration = timedelta(hours=1)
    """Within this time, up to now."""


class EscalationLevel(_Keys):
    """When to tell whom. Exactly one `after_attempts`, `unresolved_for` or `flapping`."""

    to: tuple[str, ...] = Field(min_length=1)
    """Names of `notifiers:`."""
    after_attempts: int | None = Field(default=None, ge=1)
    """After so many failed attempts."""
    unresolved_for: Duration | None = None
    """When the alert has been firing for so long, fixed or not."""
    flapping: bool | None = None
    """When the alert keeps coming back."""

    def model_post_init(self, _context: object) -> None:
        """See that the level says when, once."""
        if sum(when is not None for when in (self.after_attempts, self.unresolved_for, self.flapping)) != 1:
            raise ValueError("a level takes exactly one of after_attempts, unresolved_for and flapping")


class Defaults(_Keys):
    """What every remediation takes unless it says otherwise."""

    cooldown: Duration = timedelta(minutes=5)
    """Rest of a target after a run that started a step; it does not limit retries."""
    max_retries: int = Field(default=3, ge=0, le=100)
    """Further attempts after the first."""
    retry_delay: Duration = timedelta(seconds=60)
    """Between the attempts; clearing meanwhile counts as fixed."""
    timeout: Duration = timedelta(seconds=60)
    """For a step that says none of its own."""
    backup: bool = True
    """Copy what the steps will change first."""
    on_step_failure: Literal["stop", "continue"] = "stop"
    """Stop the attempt at a failed step, or go on; it has failed either way."""
    on_resolve: Literal["cancel", "finish"] = "cancel"
    """What becomes of a run whose alert is resolved: cancel what has not started, or finish."""
    flapping: Flapping = Flapping()
    """When an alert that keeps coming back is left to people."""
    escalate: tuple[EscalationLevel, ...] = ()
    """Whom to tell when."""


def _given_none(value: object) -> object:
    return {} if value is None else value


class RemediationKeys(_Keys):
    """One entry of `remediations:`. A key that is None is taken from `defaults:`."""

    name: Name
    """Its name in the record, in metrics, and in the alert label `remediation`."""
    match: Annotated[tuple[str, ...], BeforeValidator(lambda v: [v] if isinstance(v, str) else v)] = Field(min_length=1)
    """Matchers as Alertmanager writes them; all must hold."""
    continue_: bool = Field(default=False, alias="continue")
    """Go on to the remediations below; otherwise the first match wins."""
    host: str | None = None
    """A template for where it runs; default `{{ labels.host }}`, else `{{ labels.instance | host }}`."""
    target: str | None = None
    """A template for what it is about; default the host with `check`, or with `pattern` and `source`."""
    mode: ModeKey = Mode.AUTO
    """`approve` waits for a person, `dry_run` only says what it would do. The stricter of this and the mode above."""
    auto_fix: bool = True
    """`false`: decide, and tell people if it says so, but never run."""
    steps: tuple[dict[str, Any], ...] = ()
    """Actions with their fields, in order."""
    verify: dict[str, Any] | Literal["none"] | None = None
    """What proves the fix; see the verifications."""
    runbook_url: str | None = None
    """What people should read when they are told."""
    cooldown: Duration | None = None
    """As in `defaults`, like the keys below."""
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
    """Over everything: `auto`, `approve`, `dry_run` or `off`."""
    alertmanagers: tuple[Peer, ...] = ()
    """Asked before every attempt whether the alert fires, and is silenced or inhibited."""
    prometheus: Peer | None = None
    """Asked whether the alert is real before the first attempt, and for proof after each."""
    database: Annotated[str, AfterValidator(_sqlite_or_postgres)] = "sqlite:///data/ledger.db"
    """The ledger."""
    web: Annotated[Web, BeforeValidator(_given_none)] = Web()
    """Where the bridge listens, and who may come in."""
    limits: Annotated[Limits, BeforeValidator(_given_none)] = Limits()
    """How much may be done."""
    defaults: Annotated[Defaults, BeforeValidator(_given_none)] = Defaults()
    """What every remediation takes unless it says otherwise."""
    allow: Annotated[Allow, BeforeValidator(_given_none)] = Allow()
    """What steps may touch; what is not named is refused."""
    notifiers: Annotated[dict[Name, dict[str, Any]], BeforeValidator(_given_none)] = Field(default_factory=dict)
    """How people are told: a name for each, its `kind`, its fields."""
    remediations: tuple[RemediationKeys, ...] = ()
    """Which alerts are fixed how. First match wins."""
