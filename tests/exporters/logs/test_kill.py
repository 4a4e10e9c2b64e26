"""A real exporter that is killed with -9 again and again, while its log is written and rotated without mercy."""

import itertools
import os
import random
import shutil
import signal
import threading
import time
from pathlib import Path

from tests.exporters.running import RunningExporter

KILLS = int(os.environ.get("KILLS", "4"))


class Writer(threading.Thread):
    """Writes numbered lines, every third of which matches, and rotates in both ways."""

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self.folder, self.matching = folder, 0
        self.ending = threading.Event()

    def run(self) -> None:
        choose = random.Random(1)
        log = self.folder / "app.log"
        numbers = itertools.count()
        out = log.open("ab", buffering=0)
        while not self.ending.wait(0.002):
            for number in itertools.islice(numbers, choose.randint(1, 20)):
                hit = number % 3 == 0
                out.write(f"{number} {'No space left on device' if hit else 'all is well'}\n".encode())
                self.matching += hit
            dice = choose.random()
            if dice < 0.01:
                self._shift()
                log.rename(f"{log}.1")
                if choose.random() < 0.5:  # this writer has not noticed, and goes on in the old file for a while
                    out.write(b"late: No space left on device\n")
                    self.matching += 1
                out.close()
                out = log.open("ab", buffering=0)
            elif dice < 0.02:
                self._shift()
                shutil.copyfile(log, f"{log}.1")
                os.truncate(log, 0)
        out.close()

    def _shift(self) -> None:
        for number in range(300, 0, -1):
            path = self.folder / f"app.log.{number}"
            if path.exists():
                path.rename(self.folder / f"app.log.{number + 1}")


def test_no_line_is_lost_or_counted_twice_over_kill_9(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "app.log").touch()
    source = {"name": "app", "path": str(logs / "app.log")}
    exporter = RunningExporter(tmp_path, {"log_sources": [source], "log_patterns": {"use": ["disk_full"]}})
    counter = 'log_pattern_matches_total{pattern="disk_full"'
    exporter.start()
    writer = Writer(logs)
    seen = [0.0]
    try:
        writer.start()
        for turn in range(KILLS):
            until = time.monotonic() + 0.3 + 0.3 * turn
            while time.monotonic() < until:
                seen.append(exporter.metric(counter) or 0)
            exporter.stop(signal.SIGKILL)
            exporter.start()
    finally:
        writer.ending.set()
        writer.join()
        try:
            until = time.monotonic() + 20
            while seen[-1] < writer.matching and time.monotonic() < until:
                seen.append(exporter.metric(counter) or 0)
            time.sleep(1)  # for what would be counted twice
            seen.append(exporter.metric(counter) or 0)
        finally:
            exporter.stop(signal.SIGTERM)
    assert seen[-1] == writer.matching
    assert seen == sorted(seen), "a counter never goes back"
