"""A real PostgreSQL of our own, on a socket in a folder of its own."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_PROGRAMS = sorted(Path("/usr/lib/postgresql").glob("*/bin"))


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    """Start a server and give its connection string."""
    if not _PROGRAMS:
        pytest.skip("there is no PostgreSQL server on this machine (apt-get install postgresql)")
    user = "postgres" if os.geteuid() == 0 else pwd.getpwuid(os.geteuid()).pw_name
    as_user = {"user": user, "group": pwd.getpwnam(user).pw_gid} if os.geteuid() == 0 else {}
    folder = Path(tempfile.mkdtemp(prefix="remedy-postgresql-"))
    shutil.chown(folder, user)
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL, "cwd": folder, **as_user}
    data = folder / "data"
    subprocess.run(
        [_PROGRAMS[-1] / "initdb", "-D", data, "-A", "trust", "-U", "remedy", "--no-sync"], check=True, **quiet
    )
    control = [_PROGRAMS[-1] / "pg_ctl", "-D", data, "-w", "-s"]
    options = f"-c listen_addresses='' -c unix_socket_directories={folder} -c fsync=off"
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, **quiet)
    try:
        yield f"host={folder} user=remedy dbname=postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, **quiet)
        shutil.rmtree(folder)
