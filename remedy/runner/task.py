"""What `remedy run` is to do, by its files: error_patterns.json with or without a remediation.yml, or our own two."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import click

from bridge.policy.loading import check_policy, load_policy
from bridge.policy.remediation import Policy
from exporters.config import ExporterConfig, config_of, read_config
from remedy.config.files import ConfigKind, kind_of
from remedy.config.permissions import writable
from remedy.config.problems import ConfigError, Problem
from remedy.config.yamlfile import Document
from remedy.error_patterns.patterns import ErrorPattern
from remedy.error_patterns.translation import Translation, Where, translate


@dataclass(frozen=True)
class Task:
    """Everything that one run of `remedy run` works with."""

    exporter: ExporterConfig
    policy: Policy
    file: Path
    """The file that is named where the ledger cannot be opened."""
    log_file: Path
    serves_http: bool
    """Whether it answers at `web.listen` too, not only at the local socket."""
    patterns: Mapping[str, ErrorPattern] = field(default_factory=dict)
    """The words of error_patterns.json, by id."""
    notes: tuple[Problem, ...] = ()
    """What a person should know of how the files were read."""

    def name_of(self, pattern: str) -> str:
        """Return what people call a pattern."""
        if pattern in self.patterns:
            return self.patterns[pattern].name
        return next((each.name for each in self.exporter.log_patterns if each.id == pattern), pattern)


@dataclass(frozen=True)
class Files:
    """What the command line names; `read` may be called again, when a reload is wanted."""

    named: tuple[Path, ...]
    base: Path | None
    log_file: Path | None
    environment: Mapping[str, str]
    insecure: bool = False
    ignore_cooldown: bool = False
    """No cooldown holds anything, whatever the files say."""

    def read(self) -> Task:
        """Read them.

        Raises:
            ConfigError: everything that is wrong with them.
            click.UsageError: they do not go together.
        """
        task = self._read()
        if not self.ignore_cooldown:
            return task
        remediations = tuple(replace(each, cooldown=timedelta(0)) for each in task.policy.remediations)
        return replace(task, policy=replace(task.policy, remediations=remediations))

    def _read(self) -> Task:
        kinds: dict[ConfigKind, Path] = {}
        for file in self.named:
            kind = kind_of(file)
            if kind in kinds:
                raise click.UsageError(f"{kinds[kind]} and {file} are both a {kind}")
            kinds[kind] = file
        patterns, exporter = kinds.get(ConfigKind.ERROR_PATTERNS), kinds.get(ConfigKind.EXPORTER)
        if patterns is not None and exporter is None:
            return self._translated(patterns, kinds.get(ConfigKind.REMEDIATION))
        if patterns is None and exporter is not None and ConfigKind.REMEDIATION in kinds:
            return self._own(exporter, kinds[ConfigKind.REMEDIATION])
        raise click.UsageError(
            "name error_patterns.json (and a remediation.yml, if there is one), or exporter.yml and remediation.yml"
        )

    def _own(self, exporter_file: Path, remediation_file: Path) -> Task:
        policy = load_policy(remediation_file, insecure=self.insecure)
        exporter = read_config(exporter_file)
        log_file = (self.log_file or policy.ledger_file.with_name("auto_fix.log")).absolute()
        return _checked(Task(exporter, policy, remediation_file, log_file, serves_http=True))

    def _translated(self, patterns: Path, extra: Path | None) -> Task:
        where = Where(patterns, self.base, self.log_file, extra, self.environment)
        for file in (patterns, where.beside()):
            why = None if self.insecure or file is None or not file.exists() else writable(file)
            if why is not None:
                raise ConfigError([Problem(str(file), None, "", f"{why} (or say --insecure-config)")])
        made = translate(where)
        exporter, policy = parsed(made)
        task = Task(
            exporter,
            policy,
            patterns,
            made.place.log_file,
            serves_http="web" in made.remediation,
            patterns={pattern.id: pattern for pattern in made.patterns},
            notes=made.notes,
        )
        return _checked(task)


def parsed(made: Translation) -> tuple[ExporterConfig, Policy]:
    """Let exporter and bridge check what was made of error_patterns.json, as they check any configuration.

    Raises:
        ConfigError: what a remediation.yml adds does not fit.
    """
    name = str(made.place.config)
    lines = {} if made.extra is None else made.extra.lines
    file = name if made.extra is None else made.extra.file
    return config_of(Document(name, made.exporter)), check_policy(Document(file, made.remediation, lines))


def _checked(task: Task) -> Task:
    if task.policy.settings.prometheus:
        why = "`remedy run` works in Prometheus' place: take it out, or use `remedy exporter` and `remedy bridge`"
        raise ConfigError([Problem(str(task.file), None, "prometheus", why)])
    return task


Read = Callable[[], Task]
