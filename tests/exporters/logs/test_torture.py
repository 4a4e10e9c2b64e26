"""A real exporter, killed with -9 at any moment, while logs are treated in every way at random: each line counts once.

`TORTURES=1000 pytest tests/exporters/logs/test_torture.py -m slow` tries as many other histories; a failure names the
seed and what was done.
"""

import gzip
import os
import random
import shutil
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import IO

import pytest

from tests.exporters.running import RunningExporter

HIT = "No space left on device"
_LONGEST = 1024 * 1024
_STEPS = 60
_HISTORIES = int(os.environ.get("TORTURES", "12"))
_COUNTER = 'log_pattern_matches_total{{pattern="disk_full",severity="critical",source="{}"}}'


class Log:
    """One log with its writer, and everything that is done to logs."""

    def __init__(self, path: Path, choose: random.Random) -> None:
        self.path, self.choose = path, choose
        self.matching, self.part, self.number = 0, False, 0
        self.out: IO[bytes] = path.open("ab", buffering=0)

    def close(self) -> None:
        self.out.close()

    def write(self, most: int = 60) -> None:
        self.finish()
        for _ in range(self.choose.randint(1, most)):
            self.line(HIT.encode() if self.choose.random() < 0.5 else b"all is well")

    def line(self, text: bytes) -> None:
        self.number += 1
        self.out.write(b"%s %d %s\n" % (self.path.name.encode(), self.number, text))
        self.matching += HIT.encode() in text[:_LONGEST]

    def write_odd(self) -> None:
        """Bytes that are no text, NULs, an empty line, a carriage return."""
        self.finish()
        for text in (b"\xff\xfe\xc3( " + HIT.encode(), b"\0\0" + HIT.encode() + b"\0", HIT.encode() + b"\r", b""):
            self.line(text)
        self.out.write(b"\n")

    def write_long(self) -> None:
        """Lines around the size of a read and around the longest that is matched whole."""
        self.finish()
        size = self.choose.choice([255 * 1024, 256 * 1024 + 1, 700_000, _LONGEST - 100, _LONGEST + 50_000])
        self.line(b"x" * size + HIT.encode() if size < _LONGEST else HIT.encode() + b"x" * size + HIT.encode())

    def write_part(self) -> None:
        if not self.part:
            self.number += 1
            self.matching += 1
            self.out.write(f"{self.number} {HIT}".encode())
            self.part = True

    def finish(self) -> None:
        if self.part:
            self.out.write(b" and more\n")
            self.part = False

    def shift(self) -> None:
        """Make room for a new first generation, as logrotate does; it leaves an empty log alone."""
        for number in range(200, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists():
                old.rename(self.path.with_name(f"{self.path.name}.{number + 1}"))

    def rename(self) -> None:
        self.shift()
        self.path.rename(f"{self.path}.1")
        with_writer = self.choose.random() < 0.5
        if with_writer:  # which has not noticed
            if self.choose.random() < 0.5:
                self.path.touch()
            self.write()
        self.reopen()

    def reopen(self) -> None:
        self.finish()
        self.out.close()
        self.out = self.path.open("ab", buffering=0)

    def copytruncate(self) -> None:
        self.finish()
        self.shift()
        shutil.copyfile(self.path, f"{self.path}.1")
        os.truncate(self.path, 0)
        self.write(self.choose.choice([1, 20, 200]))

    def truncate(self) -> None:
        """Without a copy: only what was read before is not lost."""
        self.finish()
        os.truncate(self.path, 0)
        self.write(self.choose.choice([1, 20, 200]))

    def delete(self) -> None:
        self.finish()
        self.path.unlink()
        self.reopen()
        self.write()

    def compress_the_oldest(self) -> None:
        for number in range(200, 0, -1):
            old = self.path.with_name(f"{self.path.name}.{number}")
            if old.exists():
                with gzip.open(f"{old}.gz", "wb") as out:
                    out.write(old.read_bytes())
                old.unlink()
                return


class Link(Log):
    """A log behind a symbolic link that is switched."""

    def __init__(self, path: Path, choose: random.Random) -> None:
        self.files = [path.with_name(f"one-{number}.log") for number in range(3)]
        path.symlink_to(self.files[0].name)
        super().__init__(path, choose)

    def rename(self) -> None:
        self.finish()
        self.path.with_name("new").symlink_to(self.choose.choice(self.files).name)
        self.path.with_name("new").rename(self.path)
        self.reopen()

    copytruncate = delete = compress_the_oldest = Log.write


class Torture:
    """One history: logs of each kind, and an exporter over them."""

    def __init__(self, folder: Path, seed: int) -> None:
        self.choose = random.Random(seed)
        self.done: list[str] = []
        self.folders = {name: folder / name for name in ("plain", "glob", "many", "link")}
        for each in self.folders.values():
            each.mkdir()
        self.logs: dict[str, list[Log]] = {
            "plain": [Log(self.folders["plain"] / "app.log", self.choose)],
            "glob": [Log(self.folders["glob"] / "app.log", self.choose)],
            "many": [Log(self.folders["many"] / f"worker{number}.log", self.choose) for number in range(2)],
            "link": [Link(self.folders["link"] / "current", self.choose)],
        }
        paths = {"plain": "app.log", "glob": "app.log*", "many": "*.log", "link": "current"}
        sources = [{"name": name, "path": str(self.folders[name] / path)} for name, path in paths.items()]
        self.exporter = RunningExporter(folder, {"log_sources": sources, "log_patterns": {"use": ["disk_full"]}})
        self.exporter.start()
        self.up = True

    def close(self) -> None:
        self.exporter.stop()
        for logs in self.logs.values():
            for log in logs:
                log.close()

    def step(self) -> None:
        self.choose.choices([self.treat, self.kill_or_start, self.wait, self.new_member], [20, 3, 3, 1])[0]()

    def treat(self) -> None:
        log = self.choose.choice([log for logs in self.logs.values() for log in logs])
        usual: list[Callable[[], None]] = [log.write, log.write, log.write_part, log.finish, log.rename]
        usual += [log.copytruncate, log.write_odd, log.write_long]
        harmful = [log.truncate, log.delete, log.compress_the_oldest]
        act = self.choose.choice(usual + harmful)
        self.done.append(f"{log.path.parent.name}/{log.path.name}: {act.__name__}")
        if act in harmful:
            self.level()
        act()

    def kill_or_start(self) -> None:
        self.done.append("kill" if self.up else "start")
        (self.exporter.stop if self.up else self.exporter.start)()
        self.up = not self.up

    def wait(self) -> None:
        time.sleep(self.choose.choice([0.01, 0.1, 0.3, 0.6, 1.2]))

    def new_member(self) -> None:
        self.done.append("a new member of many/*.log")
        logs = self.logs["many"]
        logs.append(Log(self.folders["many"] / f"worker{len(logs)}.log", self.choose))
        logs[-1].write()

    def level(self) -> None:
        """Wait until everything that was written is counted, as it must be before what would lose it."""
        if not self.up:
            self.kill_or_start()
        expected = {name: sum(log.matching for log in logs) for name, logs in self.logs.items()}
        deadline = time.monotonic() + 15
        while (counted := self.counted()) != expected:
            beyond = {name: counted[name] - expected[name] for name in counted if counted[name] != expected[name]}
            assert time.monotonic() < deadline, f"{beyond} too many\n" + "\n".join(self.done)
            time.sleep(0.05)

    def counted(self) -> Counter[str]:
        text = self.exporter.get("/metrics").text.splitlines()
        starts = {_COUNTER.format(name): name for name in self.logs}
        found = (line.rpartition(" ") for line in text if line.startswith("log_pattern"))
        return Counter({starts[start]: int(float(value)) for start, _, value in found})


def torture(folder: Path, seed: int) -> None:
    history = Torture(folder, seed)
    try:
        for _ in range(_STEPS):
            history.step()
        history.level()
        time.sleep(1.2)  # for what would be counted twice
        history.level()
    finally:
        history.close()


def test_torture(tmp_path: Path) -> None:
    torture(tmp_path, 1)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2, 2 + _HISTORIES))
def test_more_torture(tmp_path: Path, seed: int) -> None:
    torture(tmp_path, seed)
