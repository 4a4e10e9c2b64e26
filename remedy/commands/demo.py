"""`remedy demo`: break a sample service and watch it being healed."""

import sys
from pathlib import Path

import click
from rich.console import Console

from remedy.config.shipped import NotShippedError
from remedy.demo.place import PlaceError
from remedy.demo.play import Demo
from remedy.demo.programs import Tools
from remedy.demo.stack import StackError


@click.command()
@click.option("--exit", "then_exit", is_flag=True, help="End by itself; exit code 0 only if everything was healed.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Keep the data here; otherwise in a temporary folder, which is removed at the end.",
)
@click.option("--without-prometheus", is_flag=True, help="Go the way without Prometheus, even if it is installed.")
def command(*, then_exit: bool, folder: Path | None, without_prometheus: bool) -> None:
    """Break a sample service and watch it being healed, by real processes on loopback.

    Example: remedy demo --exit
    """
    tools = Tools(None, None) if without_prometheus else Tools.found()
    why = "As asked" if without_prometheus else f"{' and '.join(tools.missing())} not found on this machine"
    notice = f"{why}: going on with `remedy run`, the way without Prometheus." if tools.missing() else ""
    console = Console(highlight=False)
    try:
        healed = Demo(console, tools, folder, notice).play(then_exit=then_exit)
    except (PlaceError, StackError, NotShippedError, OSError) as error:
        click.echo(f"remedy demo: {error}", err=True)
        sys.exit(1)
    sys.exit(0 if healed or not then_exit else 1)
