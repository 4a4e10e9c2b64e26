"""Start a program that goes on running: `python -I -S detach.py`, a job (JSON) on stdin, its pid or an error on stdout.

A program of its own, so that the many threads of the bridge are not forked, and so that what it starts is a child of
init (or of the nearest subreaper), in a session of its own, with none of the bridge's descriptors, signals or limits.
Uses the standard library only: it starts in a tenth of the time.
"""

import errno
import json
import os
import signal
import stat
import sys
from typing import Any, NoReturn

_NO_FOLLOW = os.O_NOFOLLOW | os.O_CLOEXEC


def main() -> None:
    """Fork twice around `setsid`, report what became of it, end."""
    job = json.load(sys.stdin)
    news, report = os.pipe2(os.O_CLOEXEC)
    if os.fork() == 0:
        os.close(news)
        _become(job, report)
    os.close(report)
    with os.fdopen(news, "rb") as told:
        sys.stdout.buffer.write(told.read())


def _become(job: dict[str, Any], report: int) -> NoReturn:
    """Turn into the program; `report` gets the pid, or why that fails, and closes when the program runs."""
    try:
        os.setsid()
        _surroundings(job)
        os.write(report, f"pid {os.getpid()}\n".encode())
        os.execve(job["argv"][0], job["argv"], job["env"])  # noqa: S606 - no shell is what is wanted
    except OSError as error:
        what = f" {error.filename}" if error.filename not in (None, job["argv"][0]) else ""
        os.write(report, f"error{what}: {error.strerror}\n".encode())
    os._exit(127)


def _surroundings(job: dict[str, Any]) -> None:
    os.umask(0o022)
    null = os.open(os.devnull, os.O_RDWR)
    out = _open_log(job["log_file"]) if job["log_file"] else null
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM, signal.SIGPIPE, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if job["pid_file"]:
        _write_pid(job["pid_file"])
    if job["uid"] is not None:
        os.setgroups([])
        os.setgid(job["gid"])
        os.setuid(job["uid"])
    os.chdir(job["cwd"])
    for target, source in ((0, null), (1, out), (2, out)):
        os.dup2(source, target)


def _open_log(path: str) -> int:
    """Open a log for appending; one that is no file of its own (a pipe, a hard link to another) is refused."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NONBLOCK | _NO_FOLLOW, 0o640)
    info = os.fstat(file)
    if not stat.S_ISREG(info.st_mode) or info.st_nlink != 1:
        raise OSError(errno.EINVAL, "is no file of its own", path)
    os.set_blocking(file, True)
    return file


def _write_pid(path: str) -> None:
    """Write our pid beside the pid file and rename it into place: nobody reads half of it, no symlink is followed."""
    aside = f"{path}.{os.getpid()}"
    file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW, 0o644)
    os.write(file, f"{os.getpid()}\n".encode())
    os.close(file)
    os.replace(aside, path)  # noqa: PTH105 - pathlib would cost more than the rest of this program


if __name__ == "__main__":
    main()
