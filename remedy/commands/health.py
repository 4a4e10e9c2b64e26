"""`remedy health`: how this host stands, as JSON and as an exit code."""

import json
import sys
import time
from pathlib import Path

import click
import requests

from exporters.config import config_of
from exporters.health import Overall, document
from exporters.schedule import Schedule
from remedy.config.problems import ConfigError, Problem
from remedy.config.yamlfile import parse_yaml
from remedy.error_patterns.looking import looked_at

_EXIT_CODES = {Overall.HEALTHY: 0, Overall.DEGRADED: 1, Overall.CRITICAL: 2}
_BASICS = """
checks:
  - {name: disk_space, kind: disk, critical: true}
  - {name: memory_usage, kind: memory}
  - {name: cpu_usage, kind: cpu}
"""
_PATIENCE = 10


@click.command()
@click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    help="Run the checks of this exporter.yml or error_patterns.json, once each.",
)
@click.option("--url", help="Ask a running exporter instead, such as http://127.0.0.1:9195.")
def command(file: Path | None, url: str | None) -> None:
    """Print how the host stands, as JSON; exit 0 healthy, 1 degraded, 2 critical.

    Without --config and --url it looks at disk, memory and processors.

    Example: remedy health --config /etc/remedy/exporter.yml
    """
    found = _asked(url) if url else _run(file)
    click.echo(json.dumps(found, indent=2))
    sys.stdout.flush()
    sys.exit(_EXIT_CODES[Overall(str(found["overall_status"]))])


def _run(file: Path | None) -> dict[str, object]:
    config = looked_at(file) if file else config_of(parse_yaml(_BASICS, "the built-in checks"))
    schedule = Schedule(config.checks, time)
    schedule.start()
    standings = schedule.first_runs()
    schedule.stop()
    return document(standings, time.time())


def _asked(url: str) -> dict[str, object]:
    try:
        answer = requests.get(f"{url.rstrip('/')}/health", timeout=_PATIENCE)
        found: dict[str, object] = answer.json()
        Overall(str(found["overall_status"]))
    except requests.RequestException as error:
        raise ConfigError([Problem(url, None, "", f"no exporter answers here: {type(error).__name__}")]) from None
    except (KeyError, TypeError, ValueError):
        raise ConfigError([Problem(url, None, "", "what answers here is no exporter")]) from None
    return found
