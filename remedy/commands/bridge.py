"""`remedy bridge`: takes notifications, decides, fixes, proves."""

from pathlib import Path

import click

from bridge.logs import configure_logs, say
from bridge.policy.loading import load_policy
from bridge.service import BridgeService, access_of, listen_of, make_folder
from remedy.web.serve import serve


@click.command()
@click.option("--config", "file", type=click.Path(path_type=Path), default=Path("remediation.yml"), show_default=True)
@click.option("--insecure-config", is_flag=True, help="Accept files that others may write (containers).")
def command(file: Path, *, insecure_config: bool) -> None:
    """Take Alertmanager's notifications, decide, fix, and prove that it is fixed.

    Example: remedy bridge --config /etc/remedy/remediation.yml
    """
    policy = load_policy(file, insecure=insecure_config)  # a mistake in it is said here, before anything is started
    access_of(policy, insecure=insecure_config)
    listen = listen_of(policy, insecure=insecure_config)
    make_folder(policy, file)
    configure_logs(policy.settings.logs)
    say(f"remedy bridge: http://{policy.settings.web.listen}/")

    def make() -> BridgeService:
        configure_logs(policy.settings.logs)  # gunicorn has set up its own meanwhile
        return BridgeService(file, insecure=insecure_config)

    serve(make, listen)
