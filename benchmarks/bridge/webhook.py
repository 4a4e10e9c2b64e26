"""Beside adnanh/webhook, which forks a command and keeps nothing: `.venv/bin/python -m benchmarks.bridge.webhook`.

The same notifications and the same command for both (Debian's package `webhook`), turn by turn in one run: from the
POST to the moment at which the command runs. Ours is durable, decided and journalled by then; how long the disk alone
takes for as much, as often, is measured in the same run.
"""

import http.client
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.bridge.alerts import body
from tests.bridge.durability.process import BridgeProcess, eventually, free_port

PER_SECOND, TURN, TURNS = 50, 100, 12
PAGES = bytes(20 * 4096)
"""About as much as a decision puts into the ledger's log."""
MARK = """#!/bin/bash
echo "$1 $EPOCHREALTIME" >> "$0.log"
"""
CONFIGURATION = """
limits: {{concurrent: 64, runs_per_hour: 1000000, targets: {{max: 1000000, window: 10m}}}}
allow: {{commands: [{mark}]}}
remediations:
  - name: mark
    match: ['alertname="Down"']
    steps: [{{command: {{argv: [{mark}, "{{{{ labels.instance }}}}"]}}}}]
    verify: none
"""


def spread(found: list[float]) -> str:
    """Spell the middle and the tail of milliseconds."""
    ordered = sorted(found)
    return f"p50 {ordered[len(ordered) // 2]:6.1f} ms   p99 {ordered[int(len(ordered) * 0.99)]:6.1f} ms"


def disk(file: Path) -> Iterator[float]:
    """Write pages over others at the same pace, and yield how many milliseconds each took until it was durable."""
    with file.open("r+b" if file.exists() else "w+b", buffering=0) as log:
        begin = time.monotonic()
        for number in range(TURN):
            time.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
            before = time.monotonic()
            log.seek(number % 10 * len(PAGES))
            log.write(PAGES)
            os.fdatasync(log.fileno())
            yield 1000 * (time.monotonic() - before)


class Side:
    """One of the two, with a command of its own that writes down when it runs."""

    def __init__(self, folder: Path, name: str, path: str) -> None:
        self.name, self.path, self.port = name, path, free_port()
        self.mark = folder / f"mark-{name}"
        self.mark.write_text(MARK, encoding="utf-8")
        self.mark.chmod(0o700)
        self.found: list[float] = []
        """Milliseconds from POST to process, of every notification."""

    def answers(self) -> bool:
        """Tell whether it can be asked."""
        try:
            http.client.HTTPConnection("127.0.0.1", self.port, timeout=1).connect()
        except OSError:
            return False
        return True

    def take_turn(self, instances: Iterator[str]) -> None:
        """Post steadily, wait for the last command, and note the delays."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        sent: dict[str, float] = {}
        begin = time.monotonic()
        for number in range(TURN):
            instance = next(instances)
            data = body(iter([instance]))
            time.sleep(max(0.0, begin + number / PER_SECOND - time.monotonic()))
            sent[f"{instance}:9100"] = time.time()
            connection.request("POST", self.path, data, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            assert answer.status == 200, answer.status
        connection.close()
        self.found += [1000 * (at - sent[name]) for name, at in eventually(lambda: self._marks(sent)).items()]

    def shown(self) -> str:
        """Spell the middle and the tail."""
        return f"{self.name:8} {spread(self.found)}"

    @property
    def tail(self) -> float:
        """The delay that one in a hundred exceeds."""
        return sorted(self.found)[int(len(self.found) * 0.99)]

    def _marks(self, sent: dict[str, float]) -> dict[str, float] | None:
        """Return when each command ran, once all of them have."""
        log = self.mark.with_name(f"{self.mark.name}.log")
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        ran = {name: float(at) for name, at in (line.split(" ") for line in lines) if name in sent}
        return ran if len(ran) == len(sent) else None


@contextmanager
def webhook(folder: Path) -> Iterator[Side]:
    """Start adnanh/webhook; it takes its command's argument from the same notification."""
    side = Side(folder, "webhook", "/hooks/mark")
    argument = {"source": "payload", "name": "alerts.0.labels.instance"}
    hook = {"id": "mark", "execute-command": str(side.mark), "pass-arguments-to-command": [argument]}
    hooks = folder / "hooks.json"
    hooks.write_text(json.dumps([hook]), encoding="utf-8")
    argv = ["webhook", "-hooks", str(hooks), "-ip", "127.0.0.1", "-port", str(side.port)]
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        eventually(side.answers)
        yield side
    finally:
        process.terminate()
        process.wait()


@contextmanager
def ours(folder: Path) -> Iterator[Side]:
    """Start a bridge."""
    side = Side(folder, "ours", "/webhook")
    bridge = BridgeProcess(folder, CONFIGURATION.format(mark=side.mark), side.port)
    try:
        bridge.start()
        yield side
    finally:
        bridge.close()


def main() -> None:
    """Print both, and the ratio."""
    if shutil.which("webhook") is None:
        sys.exit("webhook is not installed: apt-get install --no-install-recommends webhook")
    instances = (f"web-{number}" for number in itertools.count())
    with ExitStack() as running:
        folder = Path(running.enter_context(tempfile.TemporaryDirectory()))
        sides = [running.enter_context(webhook(folder)), running.enter_context(ours(folder))]
        synced = list[float]()
        for turn in range(1 + TURNS):
            for side in sides:
                side.take_turn(instances)
            synced += disk(folder / "disk.log")
            if not turn:  # it warms all of them up
                for found in (synced, *(side.found for side in sides)):
                    found.clear()
        for side in sides:
            print(side.shown())
        print(f"the disk {spread(synced)}")
        print(f"p99 of ours: {sides[1].tail / sides[0].tail:.1f} x that of webhook")


if __name__ == "__main__":
    main()
