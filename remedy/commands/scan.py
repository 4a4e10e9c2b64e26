"""`remedy scan`: log patterns over files, once."""

import json
import os
import sys
from collections import Counter
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

from exporters.logs.catalogue import BUILTIN, chosen, read_folder
from exporters.logs.engine import Engine
from exporters.logs.engines import make_engine
from exporters.logs.pattern import LogPattern
from exporters.logs.position import Position
from exporters.logs.tail import ReplacedError, Tail
from remedy.config.problems import ConfigError, Problem, unreadable
from remedy.error_patterns.looking import looked_at


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "--config", type=click.Path(path_type=Path), help="An exporter.yml or error_patterns.json, for its patterns."
)
@click.option("--pattern", "wanted", multiple=True, help="The id of a log pattern; else the twelve that ship.")
@click.option("--json", "as_json", is_flag=True, help="Print {file: {pattern: lines}}.")
def command(files: tuple[Path, ...], config: Path | None, wanted: tuple[str, ...], as_json: bool) -> None:
    """Count the lines of FILES that each log pattern matches; exit 0 whatever it finds.

    Example: remedy scan /var/log/syslog --json
    """
    patterns = _patterns(config, wanted)
    engine = make_engine(patterns)
    ids = [pattern.id for pattern in patterns]
    found: dict[str, Counter[str]] = {}
    with Progress(console=Console(stderr=True), transient=True, disable=not sys.stderr.isatty()) as progress:
        for file in files:
            found[str(file)] = _scan(file, engine, ids, progress)
    if as_json:
        click.echo(json.dumps({file: dict(sorted(lines.items())) for file, lines in found.items()}))
    else:
        _print(found, patterns)


def _patterns(config: Path | None, wanted: tuple[str, ...]) -> list[LogPattern]:
    have = list(looked_at(config).log_patterns) if config else read_folder()
    try:
        return list(chosen(wanted or ([pattern.id for pattern in have] if config else [BUILTIN]), have))
    except ValueError as unknown:
        raise click.BadParameter(str(unknown), param_hint="--pattern") from None


def _scan(file: Path, engine: Engine, ids: list[str], progress: Progress) -> Counter[str]:
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise unreadable(file, error) from None
    task = progress.add_task(file.name, total=os.fstat(fd).st_size)
    tail, lines = Tail(file, fd, Position()), Counter[str]()
    try:
        while tail.more:
            reading = tail.read(engine, ids, settle=True)
            tail.position, tail.more = reading.position, reading.more
            lines.update(reading.lines)
            progress.advance(task, reading.size)
    except OSError as error:
        raise unreadable(file, error) from None
    except ReplacedError:
        raise ConfigError([Problem(str(file), None, "", "was emptied while it was read: try again")]) from None
    finally:
        tail.close()
    return lines


def _print(found: dict[str, Counter[str]], patterns: list[LogPattern]) -> None:
    table = Table("file", "pattern", "severity", "lines")
    severities = {pattern.id: pattern.severity for pattern in patterns}
    for file, lines in found.items():
        for pattern, count in lines.most_common():
            table.add_row(file, pattern, severities[pattern], f"{count:,}")
    Console().print(table if table.row_count else "nothing found")
