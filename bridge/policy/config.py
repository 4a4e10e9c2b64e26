"""The keys of remediation.yml, with their defaults. What a remediation becomes once it is checked is in `policy`."""

from collections.abc import Mapping
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from bridge.actions.backups.store import BackupLimits
from bridge.actions.base import Allow
from bridge.actions.host.sizes import Size
from bridge.policy.keys import Keys
from bridge.policy.log_keys import Logs
from bridge.policy.peer import Peer
from remedy.config.durations import Duration

Name = Annotated[str, Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]{0,63}$")]


class Mode(StrEnum):
    """How far the bridge may go. Of two modes the stricter holds."""

    AUTO = "auto"
    APPROVE = "approve"
    DRY_RUN = "dry_run"
    OFF = "off"


_LAST_PORT = 65535
_STRICTNESS = [Mode.AUTO, Mode.APPROVE, Mode.DRY_RUN, Mode.OFF]


def stricter(one: Mode, other: Mode) -> Mode:
    """Return the stricter of two modes."""
    return max(one, other, key=_STRICTNESS.index)


def _yaml_off(value: object) -> object:
    """YAML 1.1 reads a bare `off` as false."""
    return "off" if value is False else value


ModeKey = Annotated[Mode, BeforeValidator(_yaml_off)]


def _with_a_port(listen: str) -> str:
    if not 0 < int(listen.rpartition(":")[2]) <= _LAST_PORT:
        raise ValueError(f"{listen!r} has no port between 1 and {_LAST_PORT}")
    return listen


class Web(Keys):
    """Where the bridge listens, and who may come in."""

    listen: Annotated[str, AfterValidator(_with_a_port)] = Field(default="127.0.0.1:9095", pattern=r"^.+:[0-9]{1,5}$")
    """`host:port`. Beyond loopback only with authentication."""
    bearer_token_file: Path | None = None
    """Alertmanager's token: opens `/webhook` and nothing else. One a line; changes are picked up."""
    config_file: Path | None = None
    """Prometheus' web configuration file: TLS, client certificates, users with bcrypt passwords."""
    operators: tuple[str, ...] | None = None
    """Users, and names in client certificates, that may change things; others only notify. By default every user."""
    external_hosts: tuple[str, ...] = ()
    """Further names under which the bridge is reached; the `Host` header is checked against them."""


class TargetLimit(Keys):
    """The breaker: at most `max` distinct hosts for each remediation within `window`."""

    max: int = Field(default=5, ge=1)
    """Hosts."""
    window: Duration = timedelta(minutes=10)
    """Within this time, up to now."""


class Limits(Keys):
    """How much may be done at once, in an hour, and to how many hosts."""

    concurrent: int = Field(default=4, ge=1, le=256)
    """Runs at work at once."""
    runs_per_hour: int = Field(default=60, ge=1)
    """Runs started within the last hour."""
    targets: TargetLimit = TargetLimit()
    """The breaker."""


class Flapping(Keys):
    """An alert that came back `times` times `within` this time is held and told to people."""

    times: int = Field(default=3, ge=1)
    """Returns."""
    within: Duration = timedelta(hours=1)
    """Within this time, up to now."""


class EscalationLevel(Keys):
    """When to tell whom. Exactly one `after_attempts`, `unresolved_for`, `flapping` or `data_loss`."""

    to: tuple[str, ...] = Field(min_length=1)
    """Names of `notifiers:`."""
    after_attempts: int | None = Field(default=None, ge=1)
    """After so many failed attempts."""
    unresolved_for: Duration | None = None
    """When the alert has been firing for so long, fixed or not."""
    flapping: Literal[True] | None = None
    """When the alert keeps coming back."""
    data_loss: Literal[True] | None = None
    """At once: what this remediation is for may have lost data. Also where nothing is run for it."""

    def model_post_init(self, _context: object) -> None:
        """See that the level says when, once."""
        self.say_when({name: value for name, value in self if value is not None})

    @staticmethod
    def say_when(keys: Mapping[str, object]) -> None:
        """See that a level says when, once.

        Raises:
            ValueError: it does not.
        """
        if len(keys.keys() & {"after_attempts", "unresolved_for", "flapping", "data_loss"}) != 1:
            raise ValueError("a level takes exactly one of after_attempts, unresolved_for, flapping and data_loss")


class Defaults(Keys):
    """What every remediation takes unless it says otherwise."""

    cooldown: Duration = timedelta(minutes=5)
    """Rest of a target after a run that started a step; it does not limit retries."""
    max_retries: int = Field(default=3, ge=0, le=100)
    """Further attempts after the first."""
    retry_delay: Duration = timedelta(seconds=60)
    """Between the attempts; clearing meanwhile counts as fixed."""
    retry_backoff: float = Field(default=1.0, ge=1.0, le=10.0)
    """Each further delay is this many times the one before, up to an hour."""
    retry_jitter: float = Field(default=0.0, ge=0.0, le=1.0)
    """Up to this share of a delay is added by chance."""
    approve_within: Duration = timedelta(hours=1)
    """After that the run is denied by itself, and people are told."""
    timeout: Duration = timedelta(seconds=60)
    """For a step that says none of its own."""
    backup: bool = True
    """Copy what the steps will change first."""
    on_step_failure: Literal["stop", "continue"] = "stop"
    """Stop the attempt at a failed step, or go on; it has failed either way."""
    on_resolve: Literal["cancel", "finish"] = "cancel"
    """What becomes of a run whose alert is resolved before its first step: cancelled, or carried out all the same.

    An attempt that has begun goes on to its end either way, and there is no further one.
    """
    flapping: Flapping = Flapping()
    """When an alert that keeps coming back is left to people."""
    escalate: tuple[EscalationLevel, ...] = ()
    """Whom to tell when."""


def _given_none(value: object) -> object:
    return {} if value is None else value


class RemediationKeys(Keys):
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
    verify: Any = None
    """What proves the fix; see the verifications."""
    runbook_url: str | None = None
    """What people should read when they are told."""
    cooldown: Duration | None = None
    """As in `defaults`, like the keys below."""
    max_retries: int | None = Field(default=None, ge=0, le=100)
    retry_delay: Duration | None = None
    retry_backoff: float | None = Field(default=None, ge=1.0, le=10.0)
    retry_jitter: float | None = Field(default=None, ge=0.0, le=1.0)
    approve_within: Duration | None = None
    timeout: Duration | None = None
    backup: bool | None = None
    on_step_failure: Literal["stop", "continue"] | None = None
    on_resolve: Literal["cancel", "finish"] | None = None
    flapping: Flapping | None = None
    escalate: tuple[EscalationLevel, ...] | None = None


def _sqlite_or_postgres(url: str) -> str:
    if not url.startswith(("sqlite:///", "postgresql://", "postgresql+psycopg://")):
        raise ValueError("is not a database URL such as sqlite:////var/lib/remedy/ledger.db")
    return url


class Settings(Keys):
    """The whole of remediation.yml, key by key."""

    mode: ModeKey = Mode.AUTO
    """Over everything: `auto`, `approve`, `dry_run` or `off`."""
    alertmanagers: tuple[Peer, ...] = ()
    """Asked before every attempt whether the alert fires, and is silenced or inhibited."""
    prometheus: Peer | None = None
    """Asked whether the alert is real before the first attempt, and for proof after each."""
    keep: Annotated[Duration, Field(ge=timedelta(days=1))] = timedelta(days=90)
    """How long the record of what has ended is kept."""
    shutdown_grace: Annotated[Duration, Field(le=timedelta(minutes=10))] = timedelta(seconds=20)
    """How long steps under way may go on when the bridge is told to end."""
    logs: Annotated[Logs, BeforeValidator(_given_none)] = Logs()
    """What the bridge says of itself, and where. Changes need a restart."""
    database: Annotated[str, AfterValidator(_sqlite_or_postgres)] = "sqlite:///data/ledger.db"
    """The ledger."""
    reserve: Annotated[Size, Field(ge=0)] = 16 * 1024**2
    """Bytes of the ledger's disk that are kept for the bridge, so that it can fix a full disk; `0`: none."""
    web: Annotated[Web, BeforeValidator(_given_none)] = Web()
    """Where the bridge listens, and who may come in."""
    limits: Annotated[Limits, BeforeValidator(_given_none)] = Limits()
    """How much may be done."""
    defaults: Annotated[Defaults, BeforeValidator(_given_none)] = Defaults()
    """What every remediation takes unless it says otherwise."""
    allow: Annotated[Allow, BeforeValidator(_given_none)] = Allow()
    """What steps may touch; what is not named is refused."""
    backups: Annotated[BackupLimits, BeforeValidator(_given_none)] = BackupLimits()
    """What becomes of the copies that are made before a fix."""
    notifiers: Annotated[dict[Name, dict[str, Any]], BeforeValidator(_given_none)] = Field(default_factory=dict)
    """How people are told: a name for each, its `kind`, its fields."""
    remediations: tuple[RemediationKeys, ...] = ()
    """Which alerts are fixed how. First match wins."""
