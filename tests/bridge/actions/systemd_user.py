"""A real systemd for tests, with no container: `systemd --user` in a mount namespace and in a control group of its own.

It must never see the machine's own control groups: as the manager of the root one it would move every process on the
machine into a scope. So the namespace shows it a fresh cgroup2 mount, in which it starts inside a group made for it.
"""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

_SYSTEMD = Path("/usr/lib/systemd/systemd")
_START = """
set -e
mount -t tmpfs none /run
mkdir -p /run/systemd/system
mount -t cgroup2 none /sys/fs/cgroup
mkdir "/sys/fs/cgroup/$GROUP"
echo $$ > "/sys/fs/cgroup/$GROUP/cgroup.procs"
grep -qx "0::/$GROUP" /proc/self/cgroup
exec /usr/lib/systemd/systemd --user --log-target=console
"""
_END = """
mount -t cgroup2 none /sys/fs/cgroup
find "/sys/fs/cgroup/$GROUP" -depth -type d -exec rmdir {} +
"""


@dataclass(frozen=True)
class UserManager:
    """A running one."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        """What a client needs to reach it."""
        return {"XDG_RUNTIME_DIR": str(self.home / "run"), "XDG_CONFIG_HOME": str(self.home / "config")}

    def write(self, unit: str, text: str) -> None:
        """Write a unit and let systemd read it."""
        (self.home / "config" / "systemd" / "user" / unit).write_text(text)
        self.call("daemon-reload")

    def call(self, *arguments: str) -> str:
        """Call `systemctl --user`."""
        done = subprocess.run(
            ["systemctl", "--user", *arguments],
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=30,
            check=True,
        )
        return done.stdout.strip()


@contextmanager
def user_manager() -> Iterator[UserManager]:
    """Start one, skip where that cannot be, and leave nothing of it behind."""
    if not _SYSTEMD.exists() or os.geteuid() != 0:
        pytest.skip("a systemd of our own needs systemd and root (apt-get install systemd)")
    home = Path(tempfile.mkdtemp(prefix="remedy-systemd-"))
    manager = UserManager(home)
    for folder in ("run", "config/systemd/user"):
        (home / folder).mkdir(parents=True, mode=0o700)
    env = {**os.environ, **manager.env, "HOME": str(home), "GROUP": home.name}
    env.pop("DBUS_SESSION_BUS_ADDRESS", None)
    with (home / "log").open("wb") as log:
        process = subprocess.Popen(["unshare", "-m", "sh", "-c", _START], env=env, stdout=log, stderr=log)
    try:
        if not _ready(home / "run" / "systemd" / "private", process):
            pytest.skip(f"systemd --user does not start here: {(home / 'log').read_text()[-300:]}")
        yield manager
    finally:
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(15)
        process.kill()
        process.wait()
        subprocess.run(["unshare", "-m", "sh", "-c", _END], env=env, check=False, capture_output=True, timeout=15)
        shutil.rmtree(home)


def _ready(socket: Path, process: "subprocess.Popen[bytes]") -> bool:
    end = time.monotonic() + 15
    while time.monotonic() < end and process.poll() is None:
        if socket.exists():
            return True
        time.sleep(0.02)
    return False
