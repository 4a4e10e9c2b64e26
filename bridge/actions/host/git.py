"""git, with as little of a clone's own configuration as may be: what worked in it may not be trusted."""

import io
import os
import pwd
import shutil
import tarfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from bridge.actions.backups.manifest import Entry, Kind, Manifest, private_file
from bridge.actions.base import StepContext, StepError, StepTimeoutError
from bridge.actions.host.children import BASE_ENV, Sink, run_program
from bridge.actions.host.sizes import spell_size

_SAFE = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.pager=cat",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "submodule.recurse=false",
)
_LARGEST = 1024**3
_TRIES, _BETWEEN_TRIES_SECONDS, _NETWORK_SECONDS = 3, 1.0, 300.0
_ENV = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_ASKPASS": "/bin/false",
    "SSH_ASKPASS": "/bin/false",
    "GIT_SSH_COMMAND": "ssh -oBatchMode=yes",
}


def git(
    clone: Path, arguments: Sequence[str], context: StepContext, output: Sink | None = None, *, with_errors: bool = True
) -> int:
    """Run git in a clone and return its exit code; hooks of the clone are switched off.

    A clone's own configuration can name programs (filters, helpers): where we are root, git runs as the clone's owner.

    Raises:
        StepError: there is no git, or the bridge is stopping, or the step's time is up.
    """
    program = shutil.which("git", path=BASE_ENV["PATH"])
    if program is None:
        raise StepError("there is no git on this machine")
    options = [word for setting in (*_SAFE, f"safe.directory={clone}") for word in ("-c", setting)]
    env = {**BASE_ENV, **_ENV, "GIT_CEILING_DIRECTORIES": str(clone.parent)}
    argv = [program, *options, *arguments]
    return run_program(argv, context, output=output, with_errors=with_errors, cwd=clone, env=env, user=_owner(clone))


def over_network(clone: Path, arguments: Sequence[str], context: StepContext) -> None:
    """Run what goes over the network: three times at most, a second apart, 300 s each.

    Raises:
        StepError: it failed each time, or the bridge is stopping, or the step's time is up.
    """
    for tried in range(1, _TRIES + 1):
        once = replace(context, deadline=min(context.deadline, time.monotonic() + _NETWORK_SECONDS))
        try:
            if not git(clone, arguments, once):
                return
        except StepTimeoutError:
            context.output.say(f"git {arguments[0]} took longer than {_NETWORK_SECONDS:g} s")
        if tried < _TRIES:
            context.pause(_BETWEEN_TRIES_SECONDS)
    context.remaining()
    raise StepError(f"git {arguments[0]} failed {_TRIES} times")


def damage(clone: Path, context: StepContext) -> str | None:
    """Say what is wrong with a clone, or None: no `.git`, no readable branch or commit, findings of `git fsck`.

    Raises:
        StepError: the bridge is stopping, or the step's time is up.
    """
    if not (clone / ".git").exists():
        return "there is no .git"
    for arguments, why in (
        (["rev-parse", "--abbrev-ref", "HEAD"], "no readable branch"),
        (["rev-parse", "--verify", "HEAD^{commit}"], "no readable commit"),
        (["fsck", "--full", "--no-progress", "--no-dangling"], "git fsck found damage"),
    ):
        if git(clone, arguments, context, io.BytesIO()):
            return why
    return None


def _owner(clone: Path) -> str | None:
    owner = clone.lstat().st_uid
    return pwd.getpwuid(owner).pw_name if os.geteuid() == 0 and owner != 0 else None


def set_work_aside(clone: Path, name: str, context: StepContext) -> str:
    """Keep what is not committed in a clone in the run's folder, and say what; the clone is not changed.

    Raises:
        StepError: git fails, or there is too much of it.
    """
    patch, archive = context.backups / f"{name}.patch", context.backups / f"{name}.untracked.tar"
    with private_file(patch) as file:
        arguments = ["diff", "--binary", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD"]
        if git(clone, arguments, context, file, with_errors=False):
            raise StepError(f"git cannot say what is not committed in {clone}")
    listed = io.BytesIO()
    if git(clone, ["ls-files", "--others", "--exclude-standard", "-z"], context, listed, with_errors=False):
        raise StepError(f"git cannot say what is new in {clone}")
    names = [os.fsdecode(found) for found in listed.getvalue().split(b"\0") if found]
    with private_file(archive) as file, tarfile.open(fileobj=file, mode="w") as tar:
        for new in names:
            context.pause(0)
            if file.tell() > _LARGEST:
                raise StepError(f"{clone} holds more than {spell_size(_LARGEST)} of new files")
            tar.add(clone / new, arcname=new, recursive=False)
    changed = patch.stat().st_size > 0
    by_hand = (
        (patch, changed, f"git -C {clone} apply {patch}"),
        (archive, bool(names), f"tar -xf {archive} -C {clone}"),
    )
    for file_name, needed, how in by_hand:
        if needed:
            size = file_name.stat().st_size
            entry = Entry("git", str(clone), Kind.ASIDE, time.time(), copy=file_name.name, size=size, note=how)
            Manifest(context.backups).add([entry])
        else:
            file_name.unlink()
    return f"kept aside: {'changes' if changed else 'no changes'}, {len(names)} new files"
