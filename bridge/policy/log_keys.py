"""`logs:` of remediation.yml."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from bridge.policy.keys import Keys


class Logs(Keys):
    """What the bridge says of itself goes to standard error; what a person wants to read of it, to files as well.

    `alerts.log` has a line of JSON for each decision and outcome that is worth a person's eye, with the keys
    `timestamp`, `severity`, `message`, `action` and `description`; `auto_fix.log` says in words what was done.
    """

    format: Literal["auto", "json", "console"] = "auto"
    """Of standard error: a line of JSON each, or columns for a person; `auto`: columns on a terminal."""
    level: Literal["debug", "info", "warning", "error"] = "info"
    """What is less than this is not said. `debug` has every verdict."""
    directory: Path | None = None
    """A folder for `alerts.log` and `auto_fix.log`, readable by the bridge's user and group; without it, none."""
    keep: Annotated[int, Field(ge=1, le=1000)] = 5
    """How many older files of each stay; a new one is begun at 10 MB."""
