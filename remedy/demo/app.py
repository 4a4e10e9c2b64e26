"""The sample service that the demo breaks: health over HTTP, a log, and a small folder with a quota.

`python -m remedy.demo.app --port 5100 --data DIR`; every option can also be given as an environment variable
(`SAMPLE_PORT`, `SAMPLE_DATA`, …). While its folder is over its quota it cannot save, and its log says
`No space left on device`. It breaks for real: killed from outside, or told by `POST /break?how=crash|hang`.
"""

import fcntl
import json
import logging
import os
import signal
import sys
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar
from urllib.parse import parse_qs, urlsplit

import click

QUOTA = 4_000_000
"""Bytes that the folder may hold unless told otherwise."""
_log = logging.getLogger("sample")


@dataclass
class Folder:
    """Where the service saves what it makes; it may hold so many bytes and no more."""

    path: Path
    quota: int

    def used(self) -> int:
        """Return the bytes of all files below; a file that vanishes meanwhile counts for nothing."""
        total = 0
        for file in self.path.rglob("*"):
            try:
                total += file.stat().st_size if file.is_file() else 0
            except FileNotFoundError:
                continue
        return total

    def save(self) -> None:
        """Save a snapshot, or say in the log that there is no room for one."""
        used = self.used()
        if used > self.quota:
            _log.error("snapshot not saved: No space left on device (%d of %d bytes used)", used, self.quota)
        else:
            (self.path / "snapshot.json").write_text(json.dumps({"saved_at": time.time()}), encoding="utf-8")


@dataclass
class Sample:
    """What the request handlers share."""

    folder: Folder
    hanging: threading.Event = field(default_factory=threading.Event)
    started: float = field(default_factory=time.monotonic)

    def health(self) -> dict[str, object]:
        """Describe the service as `GET /api/health` shows it; does not return while the service hangs."""
        while self.hanging.is_set():
            time.sleep(1)
        return {
            "status": "ok",
            "uptime_seconds": round(time.monotonic() - self.started, 1),
            "folder": {"used_bytes": self.folder.used(), "quota_bytes": self.folder.quota},
        }

    def break_down(self, how: str) -> None:
        """Crash now, or accept requests and never answer a health check again."""
        _log.critical("told to %s", how)
        if how == "crash":
            os._exit(1)
        self.hanging.set()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], sample: Sample) -> None:
        self.sample = sample
        super().__init__(address, _Handler)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    ways: ClassVar[tuple[str, ...]] = ("crash", "hang")

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        if path == "/api/health":
            self._answer(200, self.server.sample.health())
        elif path == "/":
            self._answer(200, {"service": "sample", "health": "/api/health", "break": "POST /break?how=crash|hang"})
        else:
            self._answer(404, {"error": f"nothing at {path}; health is at /api/health"})

    def do_POST(self) -> None:
        url = urlsplit(self.path)
        how = parse_qs(url.query).get("how", ["crash"])[0]
        if url.path != "/break" or how not in self.ways:
            self._answer(404, {"error": "POST /break?how=crash or POST /break?how=hang"})
            return
        self._answer(202, {"breaking": how})
        self.server.sample.break_down(how)

    def _answer(self, status: int, body: dict[str, object]) -> None:
        data = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is http.server's
        _log.debug(format, *args)


def _is_held(leash: Path) -> bool:
    """Does somebody hold a lock on the file? A missing file is held by nobody."""
    try:
        with leash.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:
        return False
    return False


def _work(sample: Sample, leash: Path | None, tick: float, stop: threading.Event) -> None:
    """Save a snapshot every `tick` seconds, until told to stop or until nobody holds the leash any more."""
    while not stop.wait(tick):
        sample.folder.save()
        if leash is not None and not _is_held(leash):
            _log.warning("nobody holds %s any more: ending", leash)
            os.kill(os.getpid(), signal.SIGTERM)


def _serve(server: _Server, leash: Path | None, tick: float) -> None:
    stop = threading.Event()
    worker = threading.Thread(target=_work, args=(server.sample, leash, tick, stop), name="work", daemon=True)
    signal.signal(signal.SIGTERM, lambda *_: threading.Thread(target=server.shutdown).start())
    worker.start()
    try:
        server.serve_forever(poll_interval=0.2)
    except KeyboardInterrupt:
        pass
    finally:
        stop.set()
        server.server_close()
        _log.info("stopped")


@click.command(context_settings={"auto_envvar_prefix": "SAMPLE"})
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on; 0.0.0.0 in a container.")
@click.option("--port", default=5100, show_default=True, type=click.IntRange(1, 65535))
@click.option("--data", required=True, type=click.Path(path_type=Path, file_okay=False), help="Its small folder.")
@click.option("--quota", default=QUOTA, show_default=True, type=click.IntRange(1), help="Bytes that may lie there.")
@click.option("--log", "log_file", type=click.Path(path_type=Path, dir_okay=False), help="Default: standard error.")
@click.option("--pid-file", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--leash", type=click.Path(path_type=Path), help="End when nobody holds a lock on this file any more.")
@click.option("--tick", default=0.5, show_default=True, type=click.FloatRange(0.01), help="Seconds between snapshots.")
def main(
    *,
    host: str,
    port: int,
    data: Path,
    quota: int,
    log_file: Path | None,
    pid_file: Path | None,
    leash: Path | None,
    tick: float,
) -> None:
    """Run the sample service until SIGTERM.

    Example: python -m remedy.demo.app --port 5100 --data /tmp/sample --log /tmp/sample.log
    """
    where = {"filename": log_file} if log_file else {"stream": sys.stderr}
    for file in filter(None, (log_file, pid_file)):
        file.parent.mkdir(parents=True, exist_ok=True)
    data.mkdir(parents=True, exist_ok=True)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.INFO, **where)
    try:
        server = _Server((host, port), Sample(Folder(data, quota)))
    except OSError as error:
        raise click.ClickException(f"cannot listen on {host}:{port}: {error.strerror}") from None
    if pid_file:
        pid_file.write_text(f"{os.getpid()}\n", encoding="ascii")
    _log.info("listening on %s:%d, pid %d", host, port, os.getpid())
    _serve(server, leash, tick)


if __name__ == "__main__":
    main()
