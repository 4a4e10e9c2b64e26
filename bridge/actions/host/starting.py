"""Start a program that outlives the step and the bridge, in a scope of its own where there is systemd."""

import json
import os
import pwd
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bridge.actions.base import StepContext, StepError, StepTimeoutError
from bridge.actions.host.processes import Process, hold

_LAUNCHER = Path(__file__).with_name("detach.py")
_MOST_SECONDS = 20.0


@dataclass(frozen=True)
class Job:
    """What is to be started."""

    argv: Sequence[str]
    cwd: Path
    env: dict[str, str]
    log_file: Path | None
    """Where it writes what it prints, appending; None: nowhere."""
    pid_file: Path | None
    user: str | None

    def spelled(self) -> bytes:
        """Spell it for the launcher."""
        user = None if self.user is None else pwd.getpwnam(self.user)
        return json.dumps(
            {
                "argv": list(self.argv),
                "cwd": str(self.cwd),
                "env": self.env,
                "log_file": self.log_file and str(self.log_file),
                "pid_file": self.pid_file and str(self.pid_file),
                "uid": user and user.pw_uid,
                "gid": user and user.pw_gid,
            }
        ).encode()


def start_detached(job: Job, context: StepContext) -> Process | None:
    """Start it and hold the new process; None: it ended at once.

    Raises:
        StepError: it cannot be started.
        StepTimeoutError: the step's time is up.
    """
    launcher = [sys.executable, "-I", "-S", str(_LAUNCHER)]
    told = _launch([*_scope(), *launcher], job, context)
    if not told.startswith(("pid ", "error")) and _scope():
        context.output.say(f"no scope of its own ({told}): it ends with the bridge's own unit")
        told = _launch(launcher, job, context)
    first, _, rest = told.partition("\n")
    if not first.startswith("pid ") or rest.strip():
        raise StepError(f"'{job.argv[0]}' could not be started: {(rest or first).removeprefix('error').strip(' :')}")
    return hold(int(first.removeprefix("pid ")))


def _scope() -> list[str]:
    """Spell the way into a transient scope, where a systemd manager of the machine runs and may be asked by us."""
    run = shutil.which("systemd-run")
    if run is None or not Path("/run/systemd/system").is_dir():
        return []
    return [
        run,
        "--scope",
        "--quiet",
        "--collect",
        "--no-ask-password",
        *([] if os.geteuid() == 0 else ["--user"]),
        "--",
    ]


def _launch(command: list[str], job: Job, context: StepContext) -> str:
    try:
        done = subprocess.run(
            command,
            input=job.spelled(),
            capture_output=True,
            timeout=min(context.remaining(), _MOST_SECONDS),
            check=False,
            start_new_session=True,
            env={"XDG_RUNTIME_DIR": f"/run/user/{os.geteuid()}", **os.environ},  # a service of the system has none
        )
    except subprocess.TimeoutExpired:
        raise StepTimeoutError(f"'{job.argv[0]}' was not started in time") from None
    return (done.stdout or done.stderr).decode("utf-8", "replace").strip()
