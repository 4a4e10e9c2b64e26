"""`remedy polkit`: writes the rule with which systemd lets the bridge do what its steps are allowed to."""

from pathlib import Path

import click

from remedy.control.options import CONFIG


@click.command()
@click.option("--user", default="remedy-bridge", show_default=True, help="The user that the bridge runs as.")
@CONFIG
def command(user: str, file: Path) -> None:
    """Write a polkit rule that lets the bridge's user manage exactly the units of `allow.units`.

    With it the bridge needs neither root nor sudo to restart them, as its hardened unit (`NoNewPrivileges`) wants it.

    Example: remedy polkit --config /etc/remedy/remediation.yml > /etc/polkit-1/rules.d/50-remedy-bridge.rules
    """
    from bridge.actions.host.polkit import rule  # noqa: PLC0415 - only what reads remediation.yml needs the bridge
    from bridge.policy.loading import load_policy  # noqa: PLC0415

    units = [unit for unit in load_policy(file).settings.allow.units if "." in unit]
    if not units:
        raise click.ClickException("allow.units names no unit of systemd: there is nothing to let anybody do")
    click.echo(rule(units, user), nl=False)
