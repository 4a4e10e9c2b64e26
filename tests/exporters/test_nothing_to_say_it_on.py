"""The exporter's own log may be a file on a disk that is full: it is what finds that out."""

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import requests
import yaml


def test_it_starts_and_ends_where_nothing_of_what_it_says_can_be_written(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as probe:
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    file = tmp_path / "exporter.yml"
    file.write_text(
        yaml.safe_dump({"listen": address, "checks": [{"name": "disk_space", "kind": "disk", "path": "/"}]})
    )
    with Path("/dev/full").open("ab") as full:
        argv = [sys.executable, "-m", "remedy", "exporter", "--config", str(file)]
        process = subprocess.Popen(argv, stdout=full, stderr=full, start_new_session=True)
    try:
        end = time.monotonic() + 30
        while True:
            try:
                answer = requests.get(f"http://{address}/metrics", timeout=5)
                break
            except requests.ConnectionError:
                assert process.poll() is None
                assert time.monotonic() < end
                time.sleep(0.05)
        assert answer.ok
        process.terminate()
        process.wait(timeout=20)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
