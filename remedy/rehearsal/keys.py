"""The keys of a file for `remedy test`. Of what is expected, only the keys that are given are compared."""

from datetime import datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from bridge.decision.gates import Verdict
from bridge.decision.payload import Labels as AlertLabels
from bridge.ledger.runs import Outcome
from remedy.config.durations import Duration
from remedy.config.problems import EMPTY

Labels = dict[str, str]


class Attempt(StrEnum):
    """How an attempt goes."""

    FIXED = "fixed"
    """Its proof holds."""
    UNVERIFIED = "unverified"
    """Nothing proves anything."""
    FAILED = "failed"
    """Its steps are done, and it did not help."""
    STEP_FAILED = "step_failed"
    """Its first step fails."""


def _listed(value: object) -> object:
    return list(value) if isinstance(value, list | tuple) else [value]


def _some(value: object) -> object:
    if value in ([], ()):
        raise ValueError(EMPTY)
    return value


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DecisionKeys(_Keys):
    """A decision that is expected."""

    decision: Verdict
    """`run`, or the gate that objected."""
    remediation: str | None = None
    """Which remediation it is about."""
    labels: Labels = Field(default_factory=dict)
    """Labels of the alert, as far as given."""
    host: str | None = None
    """Where it would run."""
    target: str | None = None
    """What it is about."""
    reason: str | None = None
    """A part of the reason."""
    due: Duration | None = None
    """When it is looked at again, counted from the start of the test."""
    steps: tuple[dict[str, dict[str, Any] | None], ...] | None = None
    """The steps in order, with the fields that matter, filled from labels; `refused` is a part of why one would not."""


class RunKeys(_Keys):
    """A run that is expected to have ended."""

    outcome: Outcome
    """How it ended."""
    remediation: str | None = None
    """Which remediation it was."""
    labels: Labels = Field(default_factory=dict)
    """Labels of the alert, as far as given."""
    host: str | None = None
    """Where it ran."""
    target: str | None = None
    """What it was about."""
    attempts: int | None = None
    """How many attempts it took."""
    reason: str | None = None
    """A part of the reason."""


class ToldKeys(_Keys):
    """A message that is expected to go to a notifier."""

    to: str
    """The notifier."""
    remediation: str | None = None
    """Whose escalation it is."""
    level: str | None = None
    """Such as `after_attempts:3`, `unresolved_for:1800s`, `flapping`."""
    title: str | None = None
    """A part of its title."""


class PauseKeys(_Keys):
    """What `remedy pause` says."""

    reason: str
    """Why."""
    for_: Duration | None = Field(default=None, alias="for")
    """How long; without it until `resume`."""
    remediation: str = ""
    """Only this one; without it everything."""


class FixKeys(_Keys):
    """What `remedy fix` says."""

    remediation: str
    """Which one."""
    target: str
    """On what."""
    labels: Labels = Field(default_factory=dict)
    """For steps that want them."""


LabelSets = Annotated[tuple[Labels, ...], BeforeValidator(_listed, json_schema_input_type=Labels | tuple[Labels, ...])]
Matchers = Annotated[tuple[str, ...], BeforeValidator(_listed, json_schema_input_type=str | tuple[str, ...])]
Words = Annotated[
    tuple[Attempt, ...],
    BeforeValidator(_some),
    BeforeValidator(_listed, json_schema_input_type=Attempt | tuple[Attempt, ...]),
]
Attempts = dict[str, Words]


class Moment(_Keys):
    """One moment of a test: what happens then, and what must have been decided, run and told since the one before."""

    at: Annotated[Duration, Field(le=timedelta(days=7))]
    """When, counted from the start of the test; a week at most."""
    notify: Path | dict[str, Any] | None = None
    """A notification as Alertmanager sends it: a JSON file (beside this one), or its keys. What fires in it fires."""
    fire: Annotated[
        tuple[AlertLabels, ...],
        BeforeValidator(_listed, json_schema_input_type=AlertLabels | tuple[AlertLabels, ...]),
    ] = ()
    """Labels of alerts that fire from now on, and are notified; one, or a list."""
    resolve: LabelSets = ()
    """Labels that alerts have which are over, and are notified as resolved."""
    gone: LabelSets = ()
    """Labels that alerts have which nobody knows any more, without a word to the bridge."""
    silenced: Matchers | None = None
    """Matchers: from now on what fires and matches one is silenced; `[]` ends that."""
    inhibited: Matchers | None = None
    """The same for inhibition."""
    alertmanager: Literal["up", "down"] | None = None
    """Whether the Alertmanagers of the configuration answer."""
    prometheus: Literal["up", "down"] | None = None
    """Whether its Prometheus answers."""
    attempts: Attempts = Field(default_factory=dict)
    """As in the test, from now on."""
    pause: PauseKeys | None = None
    """Somebody pauses."""
    resume: str | None = None
    """Somebody ends the pause of a remediation; `all`: the one over everything."""
    approve: str | None = None
    """Somebody approves what waits of this remediation."""
    deny: str | None = None
    """Somebody denies it."""
    cancel: str | None = None
    """Somebody cancels it."""
    reset_breaker: str | None = None
    """Somebody resets a remediation's breaker; `all`: every one."""
    fix: FixKeys | None = None
    """Somebody runs a remediation by hand."""
    decisions: tuple[DecisionKeys, ...] | None = None
    """Every decision since the moment before; one that was held on counts once. Left out: they are not looked at."""
    runs: tuple[RunKeys, ...] | None = None
    """Every run that ended since then."""
    told: tuple[ToldKeys, ...] | None = None
    """Every message to people since then."""


class PastKeys(_Keys):
    """A run from before the test, with an alert that is over."""

    remediation: str
    """Which remediation it was."""
    labels: AlertLabels
    """The labels of its alert; they give host and target too."""
    ended: Duration
    """How long before the start of the test."""
    outcome: Outcome = Outcome.FIXED
    """How it ended."""


class Rehearsal(_Keys):
    """One test: a ledger of its own, a clock that starts at `now`, and what happens."""

    name: str = Field(min_length=1)
    """What it shows."""
    now: AwareDatetime = datetime.fromisoformat("2026-01-01T00:00:00+00:00")
    """When it starts."""
    history: tuple[PastKeys, ...] = ()
    """What was done before."""
    attempts: Attempts = Field(default_factory=dict)
    """How the attempts of a remediation go, in each run: `fixed` unless said otherwise; the last word repeats."""
    takes: dict[str, Duration] = Field(default_factory=dict)
    """How long an attempt of a remediation takes; no time at all unless said otherwise."""
    timeline: Annotated[tuple[Moment, ...], BeforeValidator(_some)]
    """What happens, in order."""


class RehearsalFile(_Keys):
    """A file for `remedy test`."""

    config: Path = Path("remediation.yml")
    """The configuration that is tested, beside this file."""
    tests: Annotated[tuple[Rehearsal, ...], BeforeValidator(_some)]
    """The tests; none knows of the others."""
