"""`remedy test`: unit tests of remediation.yml, offline."""

import json
import logging
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import click

from remedy.config.logger import structlog
from remedy.config.problems import ConfigError, Problem
from remedy.control.options import AS_JSON
from remedy.rehearsal.playing import play
from remedy.rehearsal.reading import Script, read_script


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--run", "only", help="Only tests in whose name this stands.")
@AS_JSON
def command(files: tuple[Path, ...], only: str | None, *, as_json: bool) -> None:
    """Test remediation.yml offline: what happens in FILES, and what the bridge must decide and do then.

    Intake, gates, rounds and runs are the bridge's own; the clock, the alerts and how attempts go are made up, and no
    step is done. Exit 0 all well, 1 something came otherwise, 2 wrong use.

    Example: remedy test remediation_test.yml
    """
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )  # its log is not asked for
    scripts = _read(files)
    results = [result for script in scripts for result in _play(script, only or "")]
    if not results:
        raise click.UsageError(f"no test has {only!r} in its name")
    failed = sum(not result["passed"] for result in results)
    if as_json:
        click.echo(json.dumps(results, indent=2, ensure_ascii=False))
    else:
        for result in results:
            click.echo("\n".join(_spell(result)))
        click.echo(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


def _read(files: tuple[Path, ...]) -> list[Script]:
    scripts, problems = list[Script](), list[Problem]()
    for file in files:
        try:
            scripts.append(read_script(file))
        except ConfigError as wrong:
            problems += wrong.problems
    if problems:
        raise ConfigError(problems)
    return scripts


def _play(script: Script, only: str) -> Iterator[dict[str, Any]]:
    for number, test in enumerate(script.tests):
        if only in test.name:
            failures = play(script, number)
            found = [asdict(failure) for failure in failures]
            line = script.line("tests", number, "name")
            about = {"file": str(script.file), "line": line, "test": test.name, "passed": not failures}
            yield {**about, "failures": found}


def _spell(result: dict[str, Any]) -> Iterator[str]:
    if result["passed"]:
        yield f"ok    {result['file']}:{result['line']}: {result['test']}"
        return
    yield f"FAIL  {result['file']}:{result['line']}: {result['test']}"
    for failure in result["failures"]:
        difference = failure["difference"]
        yield f"  {result['file']}:{failure['line']}: at {failure['at']}: {failure['what']}"
        if difference is not None:
            yield from (f"    - {row}" for row in difference["missing"])
            yield from (f"    + {row}" for row in difference["unexpected"])
