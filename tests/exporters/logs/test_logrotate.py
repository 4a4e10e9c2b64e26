"""The real logrotate in its usual ways, with an exporter that goes on or is killed between rotations."""

import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.exporters.running import RunningExporter

pytestmark = pytest.mark.slow
_COUNTER = 'log_pattern_matches_total{pattern="disk_full"'
_ROUNDS = 25


def rotate(folder: Path, log: Path, options: str) -> None:
    program = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("there is no logrotate on this machine (apt-get install logrotate)")
    settings = folder / "logrotate.conf"
    settings.write_text(f"{log} {{\n rotate 50\n missingok\n {options}\n}}\n")
    settings.chmod(0o644)
    subprocess.run([program, "-f", "-s", folder / "status", settings], check=True, capture_output=True)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("path", ["app.log", "app.log*"])
@pytest.mark.parametrize("options", ["copytruncate", "create", "nocreate", "create\n compress\n delaycompress"])
def test_every_line_counts_once(tmp_path: Path, options: str, path: str, killed: bool) -> None:
    if killed and "compress" in options:
        pytest.skip("what is compressed before anyone reads it stays unread, and the documentation says so")
    logs, choose, written = tmp_path / "logs", random.Random(1), 0
    logs.mkdir()
    log = logs / "app.log"
    log.touch()
    exporter = RunningExporter(tmp_path, {"log_sources": [{"name": "app", "path": str(logs / path)}]})
    exporter.start()
    try:
        out = log.open("ab", buffering=0)
        for turn in range(_ROUNDS):
            for _ in range(choose.randint(1, 200)):
                written += 1
                out.write(f"{written} No space left\n{written} all is well\n".encode())
            time.sleep(choose.choice([0, 0, 0.3]))
            if turn % 3 == 2:
                rotate(tmp_path, log, options)
            if "copytruncate" not in options and choose.random() < 0.5:
                out.close()
                out = log.open("ab", buffering=0)
            if killed and turn % 5 == 3:
                exporter.stop(signal.SIGKILL)
            elif killed and turn % 5 == 4:
                exporter.start()
        out.close()
        deadline = time.monotonic() + 10
        while exporter.metric(_COUNTER) != written and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.5)  # for what would be counted twice
        assert exporter.metric(_COUNTER) == written
    finally:
        exporter.stop(signal.SIGTERM)
