"""`remedy check-config`: says everything that is wrong with the configuration, and changes nothing."""

import os
import sys
from collections.abc import Callable
from pathlib import Path

import click

from remedy.config.files import ConfigKind, kind_of
from remedy.config.problems import ConfigError

_USUAL = tuple(Path(kind) for kind in ConfigKind)


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--insecure-config", is_flag=True, help="Accept files that others may write (containers).")
def command(files: tuple[Path, ...], *, insecure_config: bool) -> None:
    """Check configuration files (else those that are here): exit 0 if all is well, 2 if not.

    It takes exporter.yml, remediation.yml, and error_patterns.json, of which it says what is not used.

    Example: remedy check-config /etc/remedy/remediation.yml
    """
    chosen = files or tuple(file for file in _USUAL if file.exists())
    if not chosen:
        raise click.UsageError("there is no exporter.yml, remediation.yml or error_patterns.json here: name the files")
    wrong = False
    for file in chosen:
        try:
            summary = _CHECKS[kind_of(file)](file, insecure_config)
            click.echo(f"{file}: {summary}")
        except ConfigError as error:
            click.echo(str(error), err=True)
            wrong = True
    sys.exit(2 if wrong else 0)


def _exporter(file: Path, insecure: bool) -> str:
    from exporters.config import read_config  # noqa: PLC0415 - the exporter's libraries only for its file

    del insecure
    config = read_config(file)
    return (
        f"{len(config.checks)} checks, {len(config.log_sources)} log sources, {len(config.log_patterns)} log patterns"
    )


def _remediation(file: Path, insecure: bool) -> str:
    from bridge.policy.loading import load_policy  # noqa: PLC0415 - the bridge's libraries only for its file
    from bridge.service import access_of, listen_of  # noqa: PLC0415

    policy = load_policy(file, insecure=insecure)
    access_of(policy, insecure=insecure)
    listen_of(policy, insecure=insecure)
    return f"{len(policy.remediations)} remediations, mode {policy.settings.mode}"


def _error_patterns(file: Path, insecure: bool) -> str:
    from remedy.runner.task import Files  # noqa: PLC0415 - all of it only for the old daemon's file

    task = Files((file,), None, None, os.environ, insecure).read()
    for note in task.notes:
        click.echo(str(note), err=True)
    checks, logs = len(task.exporter.checks), len(task.exporter.log_sources)
    return f"{checks} checks, {logs} log sources, {len(task.patterns)} error patterns, {len(task.notes)} notes"


_CHECKS: dict[ConfigKind, Callable[[Path, bool], str]] = {
    ConfigKind.EXPORTER: _exporter,
    ConfigKind.REMEDIATION: _remediation,
    ConfigKind.ERROR_PATTERNS: _error_patterns,
}
