"""A clone whose users are not trusted: nothing of it may lead git elsewhere, nor name a program that git would run.

Whoever works in a clone can write its `.git`. A `.git` that is a file or a link, links in it, and `commondir` would let
git work on another repository; what its configuration names (filters, helpers, `uploadpack` …) would run as we do.
"""

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from bridge.actions.base import StepError, StepRefusedError
from bridge.actions.host.folders import mounts_below

_SAFE = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "core.pager": "cat",
    "core.alternateRefsCommand": "true",
    "credential.helper": "",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "http.saveCookies": "false",
    "maintenance.auto": "false",
    "submodule.recurse": "false",
}
"""What the last word of git's configuration says, whatever the clone's own says before."""
_NO_FILTER = {"clean": "", "process": "", "required": "false", "smudge": ""}
_NEVER = re.compile(r"remote\..*\.(uploadpack|vcs)", re.DOTALL)
"""Keys of which git takes the first word, so that ours would not count; in names of remotes anything may stand."""
ENVIRONMENT: Mapping[str, str] = {
    "GIT_ALLOW_PROTOCOL": "file:git:http:https:ssh",
    "GIT_ASKPASS": "/bin/false",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PROXY_COMMAND": "",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
    "GIT_TERMINAL_PROMPT": "0",
    "SSH_ASKPASS": "/bin/false",
}
"""Under which git asks nobody and runs none but its own programs."""


def refuse_mounts(clone: Path) -> None:
    """Stop here where something is mounted in a clone: git goes on into it.

    Raises:
        StepRefusedError: something is.
    """
    mounted = mounts_below(clone)
    if mounted:
        raise StepRefusedError(f"'{mounted[0]}' is a mount point")


def only_here(clone: Path) -> dict[str, str]:
    """Return the environment that keeps git in a clone.

    Raises:
        StepError: something in its `.git` leads elsewhere.
    """
    repository = clone / ".git"
    if repository.is_symlink() or not repository.is_dir():
        raise StepError(f"'{repository}' is no folder of its own")
    if (repository / "commondir").exists():
        raise StepError(f"'{repository}' is a part of another repository (commondir)")
    for folder, folders, files in os.walk(repository):
        if folder == str(repository):
            folders[:] = [name for name in folders if name != "hooks"]  # none of them runs
        for name in (*folders, *files):
            if (found := Path(folder, name)).is_symlink():
                raise StepError(f"'{found}' is a symlink")
        if folder == str(repository / "objects"):
            folders.clear()  # git writes there under names that it makes anew
    here = {"GIT_DIR": repository, "GIT_COMMON_DIR": repository, "GIT_WORK_TREE": clone}
    return {name: str(path) for name, path in here.items()}


def nothing_runs(keys: Iterable[str]) -> dict[str, str]:
    """Return the environment in which git runs no program that a configuration with these keys names.

    Raises:
        StepError: a key names one that git would run all the same.
    """
    settings = dict(_SAFE)
    for key in keys:
        if _NEVER.fullmatch(key):
            raise StepError(f"the clone's configuration names a program to run ({key})")
        if key.startswith("filter."):
            name = key.rpartition(".")[0]
            settings |= {f"{name}.{variable}": value for variable, value in _NO_FILTER.items()}
    spelled = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings.items()):
        spelled |= {f"GIT_CONFIG_KEY_{number}": key, f"GIT_CONFIG_VALUE_{number}": value}
    return spelled
