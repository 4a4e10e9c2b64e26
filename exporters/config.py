"""`exporter.yml`: read whole or refused whole, every problem with its file, line, key path and a suggestion."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, SerializeAsAny

from exporters import checks as kinds_of_checks
from exporters.checks.base import Check
from exporters.logs.catalogue import BUILTIN, chosen, read_folder
from exporters.logs.engines import EngineChoice
from exporters.logs.pattern import LogPattern
from exporters.logs.settings import LogSource
from remedy.config import kinds
from remedy.config.extras import MissingExtra, require
from remedy.config.problems import ConfigError, KeyPath, Problem
from remedy.config.yamlfile import Document, read_yaml

STATE_FILE = "exporter.db"
_LAST_PORT = 65535


class _Keys(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _address(value: object) -> object:
    host, _, port = str(value).rpartition(":")
    if not host or not port.isdecimal() or int(port) > _LAST_PORT:
        raise ValueError(f"{value!r} is not host:port, such as 127.0.0.1:9195")
    return value


class LogPatterns(_Keys):
    """Which log patterns are looked for."""

    use: list[str] = Field(default=[BUILTIN], description="`builtin` for the twelve that ship, or ids.")
    add: list[LogPattern] = Field(default=[], description="More of them.")
    folders: list[Path] = Field(default=[], description="Folders with pattern files, *.yml.")
    engine: EngineChoice = EngineChoice.AUTO
    """What searches: the fastest that is installed, or one by name; the counts are the same."""


class WebSettings(_Keys):
    """Who may ask what."""

    config_file: Path | None = Field(default=None, description="Prometheus' web configuration file: TLS, basic auth.")
    bearer_token_file: Path | None = Field(default=None, description="Whoever sends this token may ask everything.")
    """A file with bearer tokens, one a line."""
    external_hosts: tuple[str, ...] = ()
    """Further names under which the exporter is reached; the `Host` header is checked against them."""


class _File(_Keys):
    """The file's own keys; its checks are validated one by one, each against its kind."""

    listen: Annotated[str, BeforeValidator(_address)] = "127.0.0.1:9195"
    """`host:port`."""
    state: Path | None = None
    """Where positions and counters are kept; default `$STATE_DIRECTORY`, else `./data`."""
    checks: list[dict[str, Any]] = []
    """What is looked at: each a name, a `kind` and the kind's own keys."""
    log_sources: list[LogSource] = []
    """Which logs are followed."""
    log_patterns: LogPatterns = LogPatterns()
    """What is counted in them."""
    web: WebSettings = WebSettings()
    """Who may ask what."""


class ExporterConfig(_Keys):
    """What the exporter does, complete and checked."""

    listen: str = "127.0.0.1:9195"
    state: Path = Path("data") / STATE_FILE
    checks: tuple[SerializeAsAny[Check], ...] = ()
    log_sources: tuple[LogSource, ...] = ()
    log_patterns: tuple[LogPattern, ...] = ()
    engine: EngineChoice = EngineChoice.AUTO
    web: WebSettings = WebSettings()


def read_config(file: Path) -> ExporterConfig:
    """Read exporter.yml.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    return config_of(read_yaml(file))


def config_of(document: Document) -> ExporterConfig:
    """Make a configuration of a document.

    Raises:
        ConfigError: everything that is wrong with it.
    """
    problems: list[Problem] = []
    data = {} if document.data is None else document.data
    raw = _File()
    try:
        raw = document.validate(_File, data=data)
    except ConfigError as wrong:
        problems += wrong.problems
    found = _checks(document, data, problems)
    patterns = _patterns(document, raw.log_patterns, problems)
    problems += _twice(document, ("checks",), [check.name for check in found])
    problems += _twice(document, ("log_sources",), [source.name for source in raw.log_sources])
    if problems:
        raise ConfigError(problems)
    return ExporterConfig(
        listen=raw.listen,
        state=raw.state or default_state(),
        checks=tuple(found),
        log_sources=tuple(raw.log_sources),
        log_patterns=tuple(patterns),
        engine=raw.log_patterns.engine,
        web=raw.web,
    )


def default_state() -> Path:
    """Return where positions and counters are kept if the file does not say: systemd's folder, else ./data."""
    return Path(os.environ.get("STATE_DIRECTORY", "data").partition(":")[0]) / STATE_FILE


def _checks(document: Document, data: Any, problems: list[Problem]) -> list[Check]:
    entries = data.get("checks") if isinstance(data, dict) else None
    found = []
    for index, entry in enumerate(entries if isinstance(entries, list) else []):
        path: KeyPath = ("checks", index)
        if not isinstance(entry, dict):
            continue  # said already
        if not isinstance(entry.get("kind"), str):
            problems.append(document.problem(path, "the key 'kind' is missing"))
            continue
        try:
            model = kinds.load(kinds_of_checks, entry["kind"], Check, "kind of check")
            found.append(document.validate(model, path, data=entry))
        except (ValueError, MissingExtra) as unknown:
            problems.append(document.problem((*path, "kind"), str(unknown)))
        except ConfigError as wrong:
            problems += wrong.problems
    return found


def _patterns(document: Document, wanted: LogPatterns, problems: list[Problem]) -> list[LogPattern]:
    found: list[LogPattern] = []
    try:
        if wanted.engine is EngineChoice.HYPERSCAN:
            require("hyperscan", "fast")
    except MissingExtra as missing:
        problems.append(document.problem(("log_patterns", "engine"), str(missing)))
    try:
        found += chosen(wanted.use, read_folder())
    except ValueError as unknown:
        problems.append(document.problem(("log_patterns", "use"), str(unknown)))
    for index, folder in enumerate(wanted.folders):
        if not folder.is_dir():
            problems.append(document.problem(("log_patterns", "folders", index), f"{folder} is no folder"))
        try:
            found += read_folder(folder)
        except ConfigError as wrong:
            problems += wrong.problems
    found += wanted.add
    problems += _twice(document, ("log_patterns",), [pattern.id for pattern in found])
    return found


def _twice(document: Document, path: KeyPath, names: list[str]) -> Iterator[Problem]:
    for name in sorted({name for name in names if names.count(name) > 1}):
        last = len(names) - 1 - names[::-1].index(name)
        at = (*path, last) if path != ("log_patterns",) else path
        yield document.problem(at, f"the name '{name}' is used more than once")
