"""`remedy run`: exporter and bridge in one process, where there is no Prometheus."""

from pathlib import Path

import click

from bridge.logs import configure_logs
from bridge.policy.loading import load_policy
from bridge.service import access_of, listen_of
from exporters.config import read_config
from remedy.config.durations import parse_duration
from remedy.config.files import ConfigKind, kind_of
from remedy.runner.service import RunFiles, RunService
from remedy.web.serve import serve


@click.command()
@click.option("--config", "files", multiple=True, type=click.Path(path_type=Path), required=True, help="Both files.")
@click.option("--continuous", is_flag=True, required=True, help="Go on until SIGTERM.")
@click.option("--every", default="1s", show_default=True, help="How often the rules are evaluated.")
@click.option("--insecure-config", is_flag=True, help="Accept files that others may write (containers).")
def command(files: tuple[Path, ...], *, continuous: bool, every: str, insecure_config: bool) -> None:
    """Check, decide and fix in one process, without Prometheus and Alertmanager.

    The alerts, the gates, the ledger and the HTTP interface are those of `remedy bridge`. There are no silences here:
    to hold fixes, pause the bridge.

    Example: remedy run --continuous --config exporter.yml --config remediation.yml
    """
    del continuous
    try:
        seconds = parse_duration(every).total_seconds()
    except ValueError as wrong:
        raise click.BadParameter(str(wrong), param_hint="--every") from None
    exporter_file, remediation_file = _told_apart(files)
    exporter = read_config(exporter_file)
    policy = load_policy(remediation_file, insecure=insecure_config)
    access_of(policy, insecure=insecure_config)
    listen = listen_of(policy, insecure=insecure_config)
    policy.ledger_file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)  # the local socket is made there
    configure_logs()
    click.echo(f"remedy run: http://{policy.settings.web.listen}/", err=True)
    run_files = RunFiles(exporter, remediation_file, insecure=insecure_config)
    serve(lambda: RunService(run_files, every=seconds), listen)


def _told_apart(files: tuple[Path, ...]) -> tuple[Path, Path]:
    """Return exporter.yml and remediation.yml, in whichever order they come."""
    kinds = {kind_of(file): file for file in files}
    if len(files) != len(ConfigKind) or len(kinds) != len(ConfigKind):
        raise click.UsageError("two files are needed: --config exporter.yml --config remediation.yml")
    return kinds[ConfigKind.EXPORTER], kinds[ConfigKind.REMEDIATION]
