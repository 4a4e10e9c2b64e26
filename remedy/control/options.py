"""Options that the commands for a running bridge share."""

from pathlib import Path

import click

CONFIG = click.option(
    "--config",
    "file",
    type=click.Path(path_type=Path),
    default=Path("remediation.yml"),
    show_default=True,
    help="The bridge's own file; the bridge is found by it.",
)
AS_JSON = click.option("--json", "as_json", is_flag=True, help="For machines.")
