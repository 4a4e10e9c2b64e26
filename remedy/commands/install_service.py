"""`remedy install-service`: units for systemd, opened to what the configuration needs."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import click

from bridge.policy.loading import load_policy
from exporters.config import read_config
from remedy.config.files import ConfigKind, kind_of
from remedy.config.shipped import NotShippedError
from remedy.installation.needs import Needs, of_bridge, of_exporter
from remedy.installation.units import Placed, Service, files
from remedy.runner.task import Files

_AFTERWARDS = (["systemd-sysusers"], ["systemd-tmpfiles", "--create"], ["systemctl", "daemon-reload"])


@click.command()
@click.argument("name", type=click.Choice([str(service) for service in Service]))
@click.option("--config", "configs", multiple=True, type=click.Path(path_type=Path), required=True, help="Its files.")
@click.option("--shared-tmp", is_flag=True, help="See the machine's own /tmp, where it is to be cleaned.")
@click.option("--root", type=click.Path(path_type=Path), default=Path("/"), help="Write below another root.")
@click.option("--dry-run", is_flag=True, help="Print what would be written.")
def command(name: str, configs: tuple[Path, ...], root: Path, *, shared_tmp: bool, dry_run: bool) -> None:
    """Write a hardened unit, which may touch what its configuration names and nothing else.

    From `allow:` come `ReadWritePaths=`, from the actions in use `AmbientCapabilities=`, and from both, the checks and
    the logs `SupplementaryGroups=`. Run it again when the configuration changes. It starts nothing. `once` is one
    cycle of `remedy run` every five minutes, by a timer.

    Example: remedy install-service bridge --config /etc/remedy/remediation.yml --dry-run
    """
    service, configs = Service(name), tuple(config.absolute() for config in configs)
    needs = _needs(service, configs)
    hidden = needs.private()
    if hidden and not shared_tmp:
        raise click.UsageError(
            f"{hidden[0]} is named by the configuration, but the unit has a /tmp of its own (PrivateTmp=), where it"
            " would clean nothing: take it out, or give --shared-tmp"
        )
    program = Path(sys.prefix) / "bin" / "remedy"
    try:
        placed = files(service, program, configs, needs, shared_tmp=shared_tmp)
    except NotShippedError as missing:
        raise click.ClickException(str(missing)) from None
    if dry_run:
        for each in placed:
            click.echo(f"# {root / each.path}\n{each.text}")
        return
    _write(placed, root)
    if root == Path("/"):
        _take_effect()
    click.echo(f"then: systemctl enable --now {service.begun_by}")


def _needs(service: Service, configs: tuple[Path, ...]) -> Needs:
    if service in (Service.RUN, Service.ONCE):
        task = Files(configs, None, None, dict(os.environ)).read()
        return of_bridge(task.policy).with_also(of_exporter(task.exporter), task.log_file.parent)
    wanted = ConfigKind.EXPORTER if service is Service.EXPORTER else ConfigKind.REMEDIATION
    if [kind_of(config) for config in configs] != [wanted]:
        raise click.UsageError(f"{service.unit} takes one --config, {wanted}")
    if service is Service.EXPORTER:
        return of_exporter(read_config(configs[0]))
    return of_bridge(load_policy(configs[0]))


def _write(placed: list[Placed], root: Path) -> None:
    for each in placed:
        path = root / each.path
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(each.text, encoding="utf-8")
            path.chmod(0o644)
        except OSError as error:
            raise click.ClickException(f"{path} cannot be written: {error.strerror}") from None
        click.echo(str(path))


def _take_effect() -> None:
    """Make the users and folders, and let systemd read the units."""
    if not Path("/run/systemd/system").is_dir():
        click.echo("systemd does not run here: when it does, run systemd-sysusers and systemd-tmpfiles --create")
        return
    for argv in _AFTERWARDS:
        done = subprocess.run(argv, check=False, capture_output=True, text=True, env=os.environ | {"LC_ALL": "C"})
        if done.returncode != 0:
            raise click.ClickException(f"{shutil.which(argv[0]) or argv[0]} failed: {done.stderr.strip()}")
