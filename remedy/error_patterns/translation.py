"""The one way in: `error_patterns.json` becomes what exporter.yml and remediation.yml hold.

`remedy import` writes it down, and `remedy run` works with the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from bridge import notifiers
from bridge.actions.base import Allow
from bridge.policy.loading import check_policy
from remedy.config import kinds
from remedy.config.durations import format_duration, parse_duration
from remedy.config.problems import ConfigError, Problem
from remedy.config.yamlfile import Document, read_yaml
from remedy.error_patterns import values
from remedy.error_patterns.checks import check
from remedy.error_patterns.databases import databases
from remedy.error_patterns.names import Names
from remedy.error_patterns.patterns import ErrorPattern, PatternReader
from remedy.error_patterns.place import Place, allowed, default_base
from remedy.error_patterns.reading import Keys, Notes, read_file
from remedy.error_patterns.sources import log_files, log_sources

LOG = "log"
"""The notifier that is always there: our own log."""
_LAST_LOOK = timedelta(seconds=5)
_MOST_RETRIES = 100
_MERGED = ("defaults", "limits", "notifiers", "allow", "remediations")
"""Sections of a remediation.yml beside the file that are put together with what the file gives."""
HEALTH = "health-checks"
"""The remediation that tells people of failing health checks; the daemon never fixed any."""


@dataclass(frozen=True)
class Where:
    """What `remedy run` and `remedy import` are told besides the file."""

    config: Path
    base: Path | None = None
    log_file: Path | None = None
    extra: Path | None = None
    """A remediation.yml; by default the one beside the file, if there is one."""
    environment: Mapping[str, str] | None = None

    def beside(self) -> Path | None:
        """Return the remediation.yml that is taken in, if there is one."""
        usual = self.config.with_name("remediation.yml")
        return self.extra or (usual if usual.exists() else None)


@dataclass(frozen=True)
class Translation:
    """Both files' contents, and what a person should know of how they came about."""

    place: Place
    exporter: dict[str, Any]
    remediation: dict[str, Any]
    patterns: tuple[ErrorPattern, ...]
    notes: tuple[Problem, ...]
    extra: Document | None
    """The remediation.yml that was taken in."""

    @property
    def missing(self) -> dict[str, list[Any]]:
        """Return everything that `allow:` would have to name, so that no action is disabled for want of it."""
        found: dict[str, list[Any]] = {}
        for pattern in self.patterns:
            for disabled in pattern.disabled:
                for key, wanted in disabled.needs.items():
                    found.setdefault(key, []).extend(one for one in wanted if one not in found.get(key, []))
        return found


def translate(where: Where) -> Translation:
    """Read the file, and the remediation.yml beside it.

    Raises:
        ConfigError: one of them cannot be read at all.
    """
    extra = _extra(where)
    given: dict[str, Any] = extra.data if extra is not None else {}
    place = _place(where, given)
    notes = Notes()
    keys = read_file(where.config, notes)
    checks = keys.inner("health_checks", "healthchecks", "checks", plain="name")
    config = keys.section("auto_fix_config", "config", "settings")
    project = keys.section("project_config")
    files = log_files(keys, place)
    rotate_mb = config.get(values.number, "max_log_size_mb", default=10.0)
    reader = PatternReader(place, databases(checks, project, place), tuple(files), Names(), rotate_mb)
    entries = keys.inner("error_patterns", "patterns", "errors", plain="id")
    patterns = tuple(found for entry in entries if (found := reader.read(entry)) is not None)
    names = Names()
    made = [each for entry in checks if (each := check(entry, project, place, names)) is not None]
    for entry in (*entries, *checks):
        entry.unused()
    exporter = {
        "state": str(place.state / "exporter.db"),
        "checks": made,
        "log_sources": log_sources(files, place),
        "log_patterns": {"use": [], "add": [pattern.pattern for pattern in patterns]},
    }
    remediation = _remediation(place, config, patterns, [each["name"] for each in made], given)
    config.unused()
    keys.has("version", "name", "description", "project_config")
    keys.unused()
    return Translation(place, exporter, remediation, patterns, tuple(notes), extra)


def _extra(where: Where) -> Document | None:
    file = where.beside()
    if file is None:
        return None
    document = read_yaml(file)
    if not isinstance(document.data, dict):
        raise ConfigError([document.problem((), "expected keys and values such as allow:")])
    base = _base(where)
    check_policy(
        Document(document.file, {**document.data, "allow": allowed(base, document.data.get("allow"))}, document.lines)
    )
    return document


def _base(where: Where) -> Path:
    return (where.base or default_base(where.config)).resolve()


def _place(where: Where, given: dict[str, Any]) -> Place:
    base = _base(where)
    log_file = where.log_file or where.config.parent / ".." / "logs" / "auto_fix.log"
    names = given.get("notifiers")
    place = Place(
        where.config.absolute(),
        base,
        log_file=Path(log_file).resolve(),
        notifiers=frozenset(names if isinstance(names, dict) else ()),
        environment=where.environment or {},
        extra=str(where.extra or where.config.with_name("remediation.yml")),
    )
    return Place(**{**vars(place), "allow": Allow.model_validate(allowed(base, given.get("allow")))})


def _remediation(
    place: Place, config: Keys, patterns: tuple[ErrorPattern, ...], checks: list[str], given: dict[str, Any]
) -> dict[str, Any]:
    """Return what remediation.yml holds: what a person wrote there comes first and holds."""
    tellers = _tellers(place, config)
    asked = config.get(values.whole, "max_retries", default=3)
    retries = min(max(asked, 0), _MOST_RETRIES)
    if retries != asked:
        config.note(f"{asked} is not from 0 to {_MOST_RETRIES}; taken is {retries}", "max_retries")
    defaults = {
        "cooldown": config.get(values.duration, "cooldown_period", "cooldown", "cooldown_seconds", default="5m"),
        "max_retries": retries,
        "retry_delay": config.get(values.duration, "retry_delay", "retry_interval", default="1m"),
        "backup": config.get(values.flag, "backup_before_fix", default=True),
        "on_step_failure": "continue",
    }
    quiet = config.get(values.duration, "quiet_for", default="1m")
    within = format_duration(2 * parse_duration(quiet) + _LAST_LOOK)
    levels = [{"after_attempts": retries + 1, "to": tellers}]
    at_once = [{"unresolved_for": "0s", "to": tellers}]
    own = [pattern.remediation(levels, at_once) for pattern in patterns]
    for entry in own:
        if "steps" in entry:
            entry["verify"] = {"quiet_for": quiet, "within": within}
    if checks:
        match = ['alertname="HealthCheckFailing"', f'check=~"{"|".join(name.replace(".", "[.]") for name in checks)}"']
        own.append({"name": HEALTH, "match": match, "auto_fix": False, "escalate": at_once})
    fixing = sum("steps" in entry for entry in own)
    limits = {"concurrent": min(max(4, fixing), 256), "runs_per_hour": max(60, 12 * fixing)}
    theirs = given.get("remediations") or []
    taken = {entry.get("name") for entry in theirs if isinstance(entry, dict)}
    return {
        "database": f"sqlite:///{place.state / 'ledger.db'}",
        **{key: value for key, value in given.items() if key not in _MERGED},
        "limits": {**limits, **(given.get("limits") or {})},
        "defaults": {**defaults, **(given.get("defaults") or {})},
        "allow": allowed(place.base, given.get("allow")),
        "notifiers": {LOG: {"kind": "log"}, **(given.get("notifiers") or {})},
        "remediations": [*theirs, *(entry for entry in own if entry["name"] not in taken)],
    }


def _tellers(place: Place, config: Keys) -> list[str]:
    """Return the notifiers that the file's channels stand for: those that remediation.yml names, and the log."""
    channels = config.get(values.names, "notification_channels", "channels", default=[LOG])
    if not config.get(values.flag, "enable_notifications", "notifications", default=True):
        return [LOG]
    for channel in channels:
        if channel not in place.notifiers and channel != LOG:
            config.note(
                f"the channel {channel!r} is not used: name it in {place.extra}, such as notifiers: {{{channel}:"
                f" {{kind: {channel if channel in kinds.names(notifiers) else 'apprise'}, …}}}}",
                "notification_channels",
            )
    return list(dict.fromkeys([LOG, *(channel for channel in channels if channel in place.notifiers)]))
