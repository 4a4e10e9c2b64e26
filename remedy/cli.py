"""`remedy`: each command is a file in `remedy/commands/`, imported only when it is called."""

import gc
import importlib
import pkgutil
import sys

import click

from remedy import commands
from remedy.config.extras import MissingExtra
from remedy.config.problems import ConfigError


class _Commands(click.Group):
    """Finds a command by its file: `remedy check-config` is `remedy/commands/check_config.py`'s `command`."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(_modules())

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in (modules := _modules()):
            return None
        gc.disable()  # what is imported stays: to look for garbage among it takes a twentieth of the time
        try:
            found: click.Command = importlib.import_module(f"{commands.__name__}.{modules[cmd_name]}").command
        finally:
            gc.enable()
        return found


def _modules() -> dict[str, str]:
    """Return the file of each command; one whose name is a word of Python's ends in an underscore."""
    names = (module.name for module in pkgutil.iter_modules(commands.__path__))
    return {name.rstrip("_").replace("_", "-"): name for name in names}


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="remediation-bridge", prog_name="remedy")
def cli() -> None:
    """Fix what Prometheus finds, safely, and prove that it is fixed.

    Example: remedy demo
    """


def main() -> None:
    """Run the command line; a person's mistake is one line for each problem on stderr and exit code 2."""
    try:
        sys.exit(cli.main(prog_name="remedy", standalone_mode=False))
    except click.exceptions.NoArgsIsHelpError as empty:
        empty.show()
        sys.exit(2)
    except click.ClickException as wrong:
        context = getattr(wrong, "ctx", None)
        click.echo(f"{context.command_path if context else 'remedy'}: {wrong.format_message()}", err=True)
        sys.exit(wrong.exit_code)
    except click.Abort:
        sys.exit(130)
    except ConfigError as wrong:
        click.echo(str(wrong), err=True)
        sys.exit(2)
    except MissingExtra as missing:
        click.echo(f"remedy: {missing}", err=True)
        sys.exit(2)
