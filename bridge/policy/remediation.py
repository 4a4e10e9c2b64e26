"""What the configuration means: remediations with their defaults filled in, and which of them an alert gets."""

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from sqlalchemy.engine import make_url

from bridge.actions.base import Action
from bridge.notifiers.base import Notifier
from bridge.policy import templates
from bridge.policy.config import EscalationLevel, Flapping, Mode, Settings
from bridge.policy.matchers import Matcher, all_match
from bridge.verify.base import Verification

PREFERRED = "remediation"
"""The alert label that prefers a remediation by its name."""

_LONGEST_DELAY_SECONDS = 3600.0
_HOUR = timedelta(hours=1)
"""`runs_per_hour` looks back so far."""


@dataclass(frozen=True)
class Step:
    """One configured use of an action; its fields may still hold templates."""

    action: str
    kind: type[Action]
    fields: Mapping[str, Any]

    def fill(self, labels: Mapping[str, str]) -> Action:
        """Fill the templates from labels.

        Raises:
            ValueError: a label is missing, or a value is not what its field accepts.
        """
        return self.kind.model_validate(templates.render_fields(dict(self.fields), labels))


@dataclass(frozen=True)
class Remediation:
    """A named policy: matchers → steps, with its limits, verification and escalation."""

    name: str
    matchers: tuple[Matcher, ...]
    goes_on: bool
    host: str
    target: str | None
    mode: Mode
    auto_fix: bool
    steps: tuple[Step, ...]
    verify: Verification | None
    """None: what suits the alert, `quiet_for` for log patterns and else `alert_clears_within`."""
    runbook_url: str | None
    cooldown: timedelta
    max_retries: int
    retry_delay: timedelta
    retry_backoff: float
    retry_jitter: float
    approve_within: timedelta
    timeout: timedelta
    backup: bool
    stop_on_failure: bool
    cancel_on_resolve: bool
    flapping: Flapping
    escalate: tuple[EscalationLevel, ...]

    @property
    def wants_proof(self) -> bool:
        """Whether its runs are to be verified at all."""
        return self.verify is None or self.verify.proves

    def delay_after(self, attempts: int, chance: float) -> float:
        """Return the seconds to wait after so many failed attempts; `chance` is from 0 to 1."""
        first = self.retry_delay.total_seconds()
        grown = min(first * self.retry_backoff ** (attempts - 1), max(first, _LONGEST_DELAY_SECONDS))
        return grown * (1 + self.retry_jitter * chance)

    def host_for(self, labels: Mapping[str, str]) -> str:
        """Fill the host's template; empty where the labels give none."""
        return _default_host(labels) if self.host == DEFAULT_HOST else _fill(self.host, labels)

    def target_for(self, labels: Mapping[str, str], host: str) -> str:
        """Fill the target's template; by default the host with what the alert is about on it."""
        if self.target is not None:
            return _fill(self.target, labels)
        if not host:
            return ""
        about = [labels[name] for name in _about(labels) if labels.get(name)]
        try:
            return templates.acceptable("/".join([host, *about]), "the target")
        except templates.TemplateValueError:
            return ""


@dataclass(frozen=True)
class Policy:
    """A whole configuration, checked."""

    settings: Settings
    remediations: tuple[Remediation, ...]
    notifiers: Mapping[str, Notifier]
    built_in: tuple[Remediation, ...] = ()
    """What can be run by hand without being configured; no alert gets it."""

    @property
    def ledger_file(self) -> Path:
        """Where the ledger is; its lock, its socket and the backups stand beside it."""
        return Path(make_url(self.settings.database).database or "ledger.db").absolute()

    @property
    def memory(self) -> float:
        """How many seconds back a decision may look into what is over."""
        windows = [remediation.cooldown for remediation in self.remediations]
        windows += [remediation.flapping.within for remediation in self.remediations]
        return max(window.total_seconds() for window in (*windows, self.settings.limits.targets.window, _HOUR))

    def named(self, name: str) -> Remediation | None:
        """Return the remediation of a name, if there is one."""
        return self._by_name.get(name)

    @functools.cached_property
    def _by_name(self) -> Mapping[str, Remediation]:
        return {remediation.name: remediation for remediation in (*self.built_in, *self.remediations)}


def route(remediations: tuple[Remediation, ...], labels: Mapping[str, str]) -> list[Remediation]:
    """Choose the remediations of an alert: the first that matches, and more while each says `continue`.

    The label `remediation="NAME"` prefers that one, where its matchers also hold; an unknown name falls through.
    """
    matching = [remediation for remediation in remediations if all_match(remediation.matchers, labels)]
    preferred = [remediation for remediation in matching if remediation.name == labels.get(PREFERRED)]
    chosen: list[Remediation] = []
    for remediation in preferred or matching:
        chosen.append(remediation)
        if not remediation.goes_on:
            break
    return chosen


DEFAULT_HOST = "{{ labels.host | default(labels.instance | default('') | host, true) }}"


def _fill(template: str, labels: Mapping[str, str]) -> str:
    try:
        return templates.render(template, labels).strip()
    except templates.TemplateValueError:
        return ""


def _default_host(labels: Mapping[str, str]) -> str:
    """Return what `DEFAULT_HOST` gives, which nearly every alert needs, in a tenth of the time."""
    try:
        host = labels.get("host") or templates.host_of(labels.get("instance", ""))
        return templates.acceptable(host, DEFAULT_HOST).strip()
    except templates.TemplateValueError:
        return ""


def _about(labels: Mapping[str, str]) -> tuple[str, ...]:
    return ("check",) if labels.get("check") else ("pattern", "source")
