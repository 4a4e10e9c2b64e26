"""A Docker engine of our own, in network, mount and process namespaces of its own.

Its networks, addresses and firewall rules are nobody else's, so nothing of this machine is changed, no port is taken,
and when the first process of the process namespace ends, everything in it does.
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_NEEDED = ("dockerd", "docker", "debootstrap", "iptables", "ip", "unshare", "nsenter", "setpriv")
_DEADLINE = 60.0
_START = """
set -e
mount -t tmpfs tmpfs /run
ip link set lo up
ip address add 192.0.2.1/32 dev lo
exec dockerd --data-root "$1/data" --exec-root "$1/exec" --pidfile "$1/docker.pid" --host "unix://$1/docker.sock"
"""
OUTSIDE = "192.0.2.1"
"""An address of the engine's machine that is not loopback (RFC 5737: for documentation), as a network card has one."""


class CannotBeHad(Exception):  # noqa: N818 - it reads as what it says
    """An engine, or what its images are made of, cannot be had here; the message says why."""


@dataclass(frozen=True)
class Engine:
    """A running engine."""

    home: Path
    unshare: int
    """The pid of the program that made the namespaces; the engine is its child."""

    @property
    def socket(self) -> Path:
        """Its socket, which is not the machine's."""
        return self.home / "docker.sock"

    @property
    def environment(self) -> dict[str, str]:
        """For the docker commands that are meant for it."""
        return {**os.environ, "PATH": search_path(), "DOCKER_HOST": f"unix://{self.socket}"}

    def docker(self, *arguments: str, timeout: float = 300) -> str:
        """Run a docker command and return what it prints."""
        return run(["docker", *arguments], self.environment, timeout=timeout)

    def inside(self, argv: Sequence[str], *, timeout: float = 60) -> "subprocess.CompletedProcess[str]":
        """Run a program of this machine on the engine's network."""
        enter = ["nsenter", f"--target={_first_process(self.unshare)}", "--net", "--", *argv]
        return subprocess.run(enter, capture_output=True, text=True, timeout=timeout, check=False)

    def fetch(self, url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> tuple[int, str]:
        """Send an HTTP request on the engine's network; status 0 and the reason if nobody answers."""
        done = self.inside([sys.executable, "-c", _FETCH, method, url, *map(": ".join, (headers or {}).items())])
        assert done.returncode == 0, done.stderr
        status, _, text = done.stdout.partition("\n")
        return int(status), text


_FETCH = """
import sys
from http.client import HTTPConnection
from urllib.parse import urlsplit
method, url, *headers = sys.argv[1:]
parts = urlsplit(url)
connection = HTTPConnection(parts.hostname, parts.port, timeout=10)
try:
    path = parts.path + ("?" + parts.query if parts.query else "")
    connection.request(method, path, headers=dict(header.split(": ", 1) for header in headers))
    answer = connection.getresponse()
    print(answer.status, answer.read().decode(), sep="\\n", end="")
except OSError as error:
    print(0, error, sep="\\n", end="")
"""


def run(
    argv: Sequence[str],
    env: Mapping[str, str],
    *,
    cwd: Path | None = None,
    timeout: float = 300,
) -> str:
    """Run a command; what it printed is in the failure, or else returned."""
    done = subprocess.run(argv, env=dict(env), capture_output=True, text=True, timeout=timeout, cwd=cwd, check=False)
    assert done.returncode == 0, f"{argv}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@contextmanager
def running_engine(home: Path) -> Iterator[Engine]:
    """Start an engine whose files are below `home`; end it, and all that it started, by its pid.

    Should we be killed, the kernel ends it.

    Raises:
        CannotBeHad: it cannot be had here.
    """
    missing = [name for name in _NEEDED if shutil.which(name, path=search_path()) is None]
    if missing:
        raise CannotBeHad(f"{', '.join(missing)} not installed (deploy/system-packages drills)")
    if os.geteuid() != 0:
        raise CannotBeHad("an engine of our own needs root")
    home.mkdir(parents=True, exist_ok=True)
    own = [
        "setpriv",
        "--pdeathsig=KILL",
        "unshare",
        "--net",
        "--mount",
        "--pid",
        "--fork",
        "--kill-child=SIGKILL",
        "--mount-proc",
    ]
    with (home / "dockerd.log").open("wb") as log:
        process = subprocess.Popen(
            [*own, "sh", "-c", _START, "sh", str(home)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, "PATH": search_path()},
        )
        try:
            engine = Engine(home, process.pid)
            _await_engine(process, engine)
            yield engine
        finally:
            _end(process, home)


def search_path() -> str:
    """Where programs are looked for: what administrators use is not always in a user's PATH."""
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def _await_engine(process: "subprocess.Popen[bytes]", engine: Engine) -> None:
    deadline = time.monotonic() + _DEADLINE
    while subprocess.run(["docker", "version"], env=engine.environment, capture_output=True, check=False).returncode:
        if process.poll() is not None or time.monotonic() > deadline:
            log = (engine.home / "dockerd.log").read_text(encoding="utf-8", errors="replace").splitlines()
            raise CannotBeHad(f"dockerd does not start here: {log[-1] if log else 'it says nothing'}")
        time.sleep(0.1)


def _first_process(parent: int) -> int:
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
    return int(children[0]) if children else 0


def _end(process: "subprocess.Popen[bytes]", home: Path) -> None:
    """Ask the engine to end its containers and itself; then end its namespace, whatever is left in it."""
    first = _first_process(process.pid) if process.poll() is None else 0
    if first:
        os.kill(first, 15)
    try:
        process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    shutil.rmtree(home, ignore_errors=True)


@contextmanager
def engine_with_a_shell(home: Path) -> Iterator[Engine]:
    """Run an engine that has one image, `tiny`: this machine's own shell and `sleep`."""
    programs = ["/bin/sh", "/bin/sleep"]
    with running_engine(home / "engine") as running:
        ldd = subprocess.run(["ldd", *programs], capture_output=True, text=True, check=True).stdout
        libraries = {word for word in ldd.split() if word.startswith("/") and not word.endswith(":")}
        image = home / "image.tar"
        subprocess.run(["tar", "-chf", image, *programs, *sorted(libraries)], check=True, capture_output=True)
        running.docker("import", str(image), "tiny")
        yield running
