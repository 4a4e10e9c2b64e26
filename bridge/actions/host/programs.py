"""Which programs may run: named in `allow.commands`, out of others' reach, and none that runs what it is told."""

# This stands between a decision and its first step, where each call is noticed.
# ruff: noqa: PTH113, PTH115, PTH116, PTH119, PTH120
import functools
import grp
import os
import pwd
import re
import stat
from collections.abc import Iterator
from pathlib import Path

from bridge.actions.base import Allow

_NAMES = """
sh ash bash dash fish csh tcsh ksh mksh lksh pdksh rbash rksh zsh yash nu pwsh busybox toybox
python ipython pypy perl ruby jruby irb node nodejs deno bun php lua luajit tclsh wish expect guile racket java jshell
groovy scala erl iex elixir Rscript R octave julia ghci ocaml swipl awk mawk gawk nawk original-awk
sed ed ex vi vim nvim emacs gdb bc dc m4 make gmake psql mysql mariadb sqlite redis-cli
env xargs parallel find fd fdfind nohup setsid setarch nice ionice chrt taskset stdbuf timeout time watch script flock
sudo doas su runuser pkexec gosu chroot unshare nsenter capsh setpriv bwrap firejail systemd-run machinectl at batch
crontab ssh rsh docker podman kubectl lxc start-stop-daemon run-parts strace ltrace perf ld.so socat nc ncat screen tmux
entr
"""
"""Shells, interpreters, programs with a language of their own, launchers; without their versions."""
_REFUSED = frozenset(_NAMES.split())
_LOADER = re.compile(r"ld-.*\.so.*")
_VERSION = re.compile(r"[-.\d]+$")


def program_refusal(program: str, allow: Allow) -> str | None:
    """Say why a program must not be run, or None where it may be."""
    if program not in map(os.fspath, allow.commands) and Path(program) not in allow.commands:
        return f"'{program}' is not in allow.commands"
    return unsafe_program(program)


def unsafe_program(program: str) -> str | None:
    """Say what makes a program unfit to be allowed at all: what it is, or who can change it."""
    try:
        real = _real(program)
    except OSError:
        return f"'{program}' does not exist or cannot be reached"
    for name in dict.fromkeys((os.path.basename(program), os.path.basename(real))):
        if runs_what_it_is_told(name):
            return (
                f"'{program}' is a shell, an interpreter or a launcher ('{name}'): allow a script of your own instead"
            )
    if not (os.path.isfile(real) and os.access(real, os.X_OK)):
        return f"'{program}' is not an executable file"
    return next(_writable_by_others(program, real), None)


def _real(program: str) -> str:
    """Return the path without symlinks: the kernel knows it, in two thirds of the time of `os.path.realpath`.

    Raises:
        OSError: there is no such file, or it cannot be reached.
    """
    held = os.open(program, os.O_PATH | os.O_CLOEXEC)
    try:
        return os.readlink(f"/proc/self/fd/{held}")
    finally:
        os.close(held)


def runs_what_it_is_told(name: str) -> bool:
    """Tell shells, interpreters and launchers (`env`, `sudo`, `xargs` …) by the name of the file, in any version."""
    return not {name, _VERSION.sub("", name)}.isdisjoint(_REFUSED) or bool(_LOADER.fullmatch(name))


def _writable_by_others(program: str, real: str) -> Iterator[str]:
    for path in dict.fromkeys([real, *_folders_above(real), *_folders_above(program)]):
        why = others_may_write(path)
        if why:
            yield f"'{program}' could be replaced: {why}"


@functools.lru_cache(maxsize=256)  # of the programs that the configuration names
def _folders_above(path: str) -> tuple[str, ...]:
    above = os.path.dirname(path)
    return () if above == path else (above, *_folders_above(above))


def others_may_write(path: str | Path) -> str | None:
    """Say who beside root and us may write to a path (or, in a folder, replace what is in it); None for nobody."""
    info = os.stat(path)
    if info.st_uid not in (0, os.geteuid()):
        return f"'{path}' belongs to uid {info.st_uid}"
    if stat.S_ISDIR(info.st_mode) and info.st_mode & stat.S_ISVTX:
        return None  # sticky: others may add, but not rename or delete what is not theirs
    if info.st_mode & stat.S_IWOTH:
        return f"everyone may write to '{path}' (chmod o-w)"
    if info.st_mode & stat.S_IWGRP and not _private_group(info.st_gid):
        return f"its group may write to '{path}' (chmod g-w)"
    return None


def _private_group(gid: int) -> bool:
    if gid == 0:
        return True
    try:
        group, user = grp.getgrgid(gid), pwd.getpwuid(os.geteuid())
    except KeyError:
        return False
    return user.pw_gid == gid and group.gr_name == user.pw_name and set(group.gr_mem) <= {user.pw_name}
