"""git, with as little of a clone's own configuration as may be: what worked in it may not be trusted."""

import io
import os
import pwd
import shutil
import tarfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from bridge.actions.backups.manifest import Entry, Kind, Manifest, private_file
from bridge.actions.base import StepContext, StepError, StepTimeoutError
from bridge.actions.host.children import BASE_ENV, Sink, run_program
from bridge.actions.host.clones import ENVIRONMENT, nothing_runs, only_here
from bridge.actions.host.sizes import spell_size

_LARGEST = 1024**3
_TRIES, _BETWEEN_TRIES_SECONDS, _NETWORK_SECONDS = 3, 1.0, 300.0


def git(
    clone: Path, arguments: Sequence[str], context: StepContext, output: Sink | None = None, *, with_errors: bool = True
) -> int:
    """Run git in a clone and return its exit code; nothing that the clone's configuration names is run.

    Where we are root, git runs as the clone's owner all the same.

    Raises:
        StepError: there is no git, the clone's `.git` leads elsewhere, or the bridge is stopping, or its time is up.
    """
    here, keys = only_here(clone), io.BytesIO()
    if _run(clone, ["config", "--list", "--name-only", "-z"], here, context, keys, with_errors=False):
        raise StepError(f"the configuration of '{clone}' cannot be read")
    safe = nothing_runs(os.fsdecode(keys.getvalue()).split("\0"))
    return _run(clone, arguments, here | safe, context, output, with_errors=with_errors)


def fetch(clone: Path, context: StepContext) -> None:
    """Fetch all that a clone's remotes have, and forget what they no longer have.

    Raises:
        StepError: it failed each time; and as `git`.
    """
    _over_network("fetch", lambda once: git(clone, ["fetch", "--all", "--prune", "--quiet"], once), context)


def clone_into(folder: Path, source: str, name: str, context: StepContext) -> None:
    """Clone a repository into a folder, under a name.

    Raises:
        StepError: it failed each time, or the bridge is stopping, or the step's time is up.
    """
    arguments = ["clone", "--quiet", "--no-hardlinks", "--", source, name]
    _over_network("clone", lambda once: _run(folder, arguments, nothing_runs(()), once), context)


def _over_network(what: str, run: Callable[[StepContext], int], context: StepContext) -> None:
    """Run what goes over the network: three times at most, a second apart, 300 s each."""
    for tried in range(1, _TRIES + 1):
        once = replace(context, deadline=min(context.deadline, time.monotonic() + _NETWORK_SECONDS))
        try:
            if not run(once):
                return
        except StepTimeoutError:
            context.output.say(f"git {what} took longer than {_NETWORK_SECONDS:g} s")
        if tried < _TRIES:
            context.pause(_BETWEEN_TRIES_SECONDS)
    context.remaining()
    raise StepError(f"git {what} failed {_TRIES} times")


def _run(
    folder: Path,
    arguments: Sequence[str],
    around: Mapping[str, str],
    context: StepContext,
    output: Sink | None = None,
    *,
    with_errors: bool = True,
) -> int:
    program = shutil.which("git", path=BASE_ENV["PATH"])
    if program is None:
        raise StepError("there is no git on this machine")
    env = {**BASE_ENV, **ENVIRONMENT, "GIT_CEILING_DIRECTORIES": str(folder.parent), **around}
    argv = [program, "-c", f"safe.directory={folder}", *arguments]
    return run_program(argv, context, output=output, with_errors=with_errors, cwd=folder, env=env, user=_owner(folder))


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
        try:
            if git(clone, arguments, context, io.BytesIO()):
                return why
        except StepError as problem:
            context.pause(0)
            return str(problem)
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
        arguments = [
            "diff",
            "--binary",
            "--no-ext-diff",
            "--no-textconv",
            "--no-color",
            "--ignore-submodules=dirty",
            "HEAD",
        ]
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
            try:
                tar.add(clone / new, arcname=new, recursive=False)
            except OSError as error:
                raise StepError(f"'{clone / new}' cannot be kept aside: {error.strerror}") from None
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
