"""What a started program finds around it: folder, user, environment."""

import os
import pwd
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel, Field

from bridge.actions.base import Output, StepError
from bridge.actions.host.children import BASE_ENV
from bridge.actions.host.fields import AbsolutePath, EnvName, Text, UserName, plain
from bridge.actions.host.programs import others_may_write

_LOADS_CODE = re.compile(r"LD_.*|GCONV_PATH|GLIBC_TUNABLES|BASH_ENV|BASH_FUNC.*|ENV|IFS|PS4|SHELLOPTS|BASHOPTS")
"""Variables through which a value becomes code in any program or shell script."""


class Surroundings(BaseModel):
    """Fields that actions which start programs share."""

    cwd: AbsolutePath | None = None
    """The folder in which it runs; else `/`."""
    user: UserName | None = None
    """The user as whom it runs, with that user's first group only; needs root. Else the bridge's."""
    env: Mapping[EnvName, Text] = Field(default_factory=dict)
    """Its environment, beside `PATH` and `LC_CTYPE`. Names that load code (`LD_PRELOAD`, `BASH_ENV` …) are refused."""
    env_from: tuple[EnvName, ...] = ()
    """Names of variables that it gets with the values that they have for the bridge."""
    env_files: Mapping[EnvName, AbsolutePath] = Field(default_factory=dict)
    """Variables whose values (one line each) are read from secret files."""

    def environment(self, output: Output) -> dict[str, str]:
        """Make the whole environment; what comes from secret files is hidden in the step's output.

        Raises:
            StepError: a secret file cannot be read, or holds more than one line.
        """
        inherited = {name: os.environ[name] for name in self.env_from if name in os.environ}
        secret = {name: _one_line(file) for name, file in self.env_files.items()}
        output.hide(*secret.values())
        return {**BASE_ENV, **inherited, **self.env, **secret}

    def surroundings_refusals(self) -> Iterator[tuple[str, str]]:
        """Yield (field, why) for what is forbidden."""
        for field in ("env", "env_from", "env_files"):
            for name in getattr(self, field):
                if _LOADS_CODE.fullmatch(name):
                    yield field, f"'{name}' would let its value become code"
        if self.user is not None:
            yield from (("user", why) for why in _user_problems(self.user))
        if self.cwd is not None:
            yield from (("cwd", why) for why in _folder_problems(self.cwd))


def _one_line(file: Path) -> str:
    try:
        return plain(file.read_text(encoding="utf-8").rstrip("\r\n"))
    except OSError as error:
        raise StepError(f"the secret file {file} cannot be read: {error.strerror}") from None
    except ValueError:
        raise StepError(f"the secret file {file} must hold one line of plain text") from None


def _user_problems(user: str) -> Iterator[str]:
    try:
        wanted = pwd.getpwnam(user).pw_uid
    except KeyError:
        yield f"there is no user '{user}'"
        return
    if wanted != os.geteuid() and os.geteuid() != 0:
        yield f"only root can start a program as '{user}'"


def _folder_problems(folder: Path) -> Iterator[str]:
    if not folder.is_dir():
        yield f"'{folder}' is not a folder"
    elif why := others_may_write(folder):
        yield f"must not be a folder of others: {why}"
