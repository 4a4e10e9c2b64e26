"""`remedy run`: exporter and bridge in one process, where there is no Prometheus."""

import os
import sys
from dataclasses import replace
from pathlib import Path

import click

from bridge.logs import say
from bridge.service import access_of, listen_of, make_folder, socket_of
from remedy.runner.cycles import Rhythm
from remedy.runner.local import serve_locally
from remedy.runner.record import Counts
from remedy.runner.service import RunService, run_to_the_end
from remedy.runner.task import Files
from remedy.web.serve import serve

_USUAL = Path("error_patterns.json")
_FILE = click.Path(path_type=Path, dir_okay=False)
_FOLDER = click.Path(path_type=Path, exists=True, file_okay=False)


@click.command()
@click.option("--once", is_flag=True, help="One cycle, to the end of what it starts. The default.")
@click.option("--continuous", is_flag=True, help="Iterations until SIGTERM, or --iterations.")
@click.option("--loop-count", type=click.IntRange(1), default=15, show_default=True, help="Cycles of an iteration.")
@click.option("--wait-minutes", type=click.FloatRange(0), default=5, show_default=True, help="After an iteration.")
@click.option("--iterations", type=click.IntRange(1), help="End after so many.")
@click.option("--config", "files", multiple=True, type=_FILE, help=f"One file or two; else {_USUAL} here.")
@click.option("--base-dir", type=_FOLDER, help="Below it relative paths lie; else FILE's grandparent.")
@click.option("--log-file", type=_FILE, help="Else ../logs/auto_fix.log beside error_patterns.json.")
@click.option("--json", "as_json", is_flag=True, help="Print each iteration's counts as a line of JSON.")
@click.option("--ignore-cooldown", is_flag=True, help="Fix also what was fixed a moment ago.")
@click.option("--insecure-config", is_flag=True, help="Accept files that others may write (containers).")
def command(
    *,
    once: bool,
    continuous: bool,
    loop_count: int,
    wait_minutes: float,
    iterations: int | None,
    files: tuple[Path, ...],
    base_dir: Path | None,
    log_file: Path | None,
    as_json: bool,
    ignore_cooldown: bool,
    insecure_config: bool,
) -> None:
    """Check, decide and fix in one process, without Prometheus.

    It takes error_patterns.json, the file of the daemon that it replaces, as it is; a remediation.yml beside it, or
    named as well, says what may be touched. Or it takes an exporter.yml and a remediation.yml. Alerts, gates, ledger
    and actions are those of `remedy bridge`.

    Without --continuous it does one cycle (over the last 1,000 lines of each log the first time) and ends when what
    it started is verified or has failed once: exit 0 if nothing is wrong any more, 1 if something is left, 2 for wrong
    use. Open retries stay in the ledger for the next call.

    Example: remedy run --continuous --config scripts/error_patterns.json
    """
    if once and (continuous or iterations):
        raise click.UsageError("--once is one cycle: it does not go with --continuous and --iterations")
    task_files = Files(files or (_USUAL,), base_dir, log_file, dict(os.environ), insecure_config, ignore_cooldown)
    task = task_files.read()
    make_folder(task.policy, task.file)

    def told(counts: Counts) -> None:
        click.echo(counts.as_json() if as_json else f"iteration {counts.iteration}: {counts}")

    rhythm = Rhythm(cycles=loop_count, wait_seconds=wait_minutes * 60, iterations=iterations)
    if not continuous:
        rhythm = Rhythm(cycles=1 if iterations is None else loop_count, iterations=iterations or 1)
    if rhythm.iterations is not None:
        sys.exit(run_to_the_end(task, replace(rhythm, wait_seconds=wait_minutes * 60), told))
    access_of(task.policy, insecure=insecure_config)
    listen = listen_of(task.policy, insecure=insecure_config)
    if not task.serves_http:  # the daemon listened nowhere; neither do we, unless `web:` says so
        serve_locally(RunService(task_files.read, rhythm, told), socket_of(task.policy))
        return
    say(f"remedy run: http://{task.policy.settings.web.listen}/")
    serve(lambda: RunService(task_files.read, rhythm, told), listen)
