"""`remedy init`: a token, and a first remediation.yml that changes nothing."""

import os
import secrets
from pathlib import Path

import click

from remedy.starter.alerts import NoPrometheusError, known_alerts
from remedy.starter.draft import Place, draft, receiver


@click.command()
@click.option("--prometheus", default="http://127.0.0.1:9090", show_default=True)
@click.option("--alertmanager", default="http://127.0.0.1:9093", show_default=True)
@click.option("--dir", "folder", type=click.Path(path_type=Path, file_okay=False), default=Path(), show_default="here")
@click.option("--force", is_flag=True, help="Write remediation.yml anew; the token stays.")
def command(prometheus: str, alertmanager: str, folder: Path, *, force: bool) -> None:
    """Make a token and a first remediation.yml, in dry_run, from the alerts that Prometheus already has.

    Example: remedy init --prometheus http://127.0.0.1:9090 --dir /etc/remedy
    """
    try:
        alerts = known_alerts(prometheus)
    except NoPrometheusError as error:
        raise click.UsageError(f"{error}: name yours with --prometheus URL") from None
    folder = folder.absolute()
    file, token = folder / "remediation.yml", folder / "token"
    if file.exists() and not force:
        raise click.UsageError(f"{file} is there already: --force writes it anew")
    try:
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not token.exists():
            _write(token, secrets.token_urlsafe(32) + "\n", 0o600)
        _write(file, draft(alerts, Place(prometheus, alertmanager, token, folder / "data" / "ledger.db")), 0o640)
    except OSError as error:
        raise click.UsageError(f"{error.filename} cannot be written: {error.strerror}") from None
    click.echo(f"{file}: one remediation for each of the alerts that Prometheus has, in dry_run: it changes nothing")
    click.echo(f"{token}: the token that Alertmanager shows to the bridge\n")
    click.echo(f"Alertmanager needs this in its configuration:\n\n{receiver(token)}")
    click.echo(f"Then: remedy check-config {file} && remedy bridge --config {file}")


def _write(file: Path, text: str, mode: int) -> None:
    """Write a file that nobody else ever gets to see in a wider mode."""
    new = file.with_name(f".{file.name}.new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as stream:  # noqa: PTH123
        stream.write(text)
    new.replace(file)
