"""How fast the engines find the twelve patterns in a log, beside ripgrep and mtail with the same twelve.

python benchmarks/logs_generate.py /tmp/one.log && python benchmarks/logs_scan.py /tmp/one.log
"""

import argparse
import os
import shutil
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from exporters.logs.catalogue import read_folder
from exporters.logs.engine import Engine
from exporters.logs.engines import EngineChoice, make_engine
from exporters.logs.pattern import LogPattern
from exporters.logs.position import Position
from exporters.logs.tail import Tail

_READ = 1 << 20
_MTAIL_READS = 3_000_000


def scanned(file: Path, engine: Engine, ids: list[str]) -> Counter[str]:
    """Read a file as the exporter does, verification and all, and count."""
    tail, lines = Tail(file, os.open(file, os.O_RDONLY), Position()), Counter[str]()
    try:
        while tail.more:
            reading = tail.read(engine, ids, settle=True)
            tail.position, tail.more = reading.position, reading.more
            lines.update(reading.lines)
    finally:
        tail.close()
    return lines


def timed(size: int, name: str, work: Callable[[], object]) -> float:
    """Print and return MB/s of processor time, children included."""
    before = os.times()
    started = time.perf_counter()
    work()
    wall, after = time.perf_counter() - started, os.times()
    used = max(0.01, sum(after[:4]) - sum(before[:4]))  # what the clock can tell
    print(f"{name:24}{size / used / 1e6:8.0f} MB/s of processor time {size / wall / 1e6:8.0f} MB/s by the clock")
    return size / used


def read(file: Path) -> None:
    with file.open("rb", buffering=0) as data:
        while data.read(_READ):
            pass


def ripgrep(file: Path, patterns: list[LogPattern]) -> Callable[[], object]:
    regexes = [word for pattern in patterns for word in ("-e", pattern.regex)]
    argv = ["rg", "-c", "-i", "-a", "-j1", "--no-mmap", "--no-unicode", *regexes, str(file)]
    return lambda: subprocess.run(argv, check=False, capture_output=True)


def mtail_program(patterns: list[LogPattern]) -> str:
    rules = "".join(f'/(?i){p.regex.replace("/", chr(92) + "/")}/ {{\n  matches["{p.id}"]++\n}}\n' for p in patterns)
    return f"counter matches by pattern\n{rules}"


def mtail(file: Path, patterns: list[LogPattern], folder: Path) -> tuple[int, Callable[[], object]]:
    """Prepare a program for mtail, and a part of the log: all takes minutes, and invalid UTF-8 ends its reading."""
    (folder / "twelve.mtail").write_text(mtail_program(patterns))
    with file.open("rb") as data:
        text = data.read(_MTAIL_READS).decode("utf-8", "ignore").encode()
    (folder / "part.log").write_bytes(text)
    argv = ["mtail", "--one_shot", "--progs", str(folder / "twelve.mtail"), "--logs", str(folder / "part.log")]
    return len(text), lambda: subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    file: Path = parser.parse_args().file
    size = file.stat().st_size
    patterns: list[LogPattern] = [pattern for pattern in read_folder() if pattern.builtin]
    ids = [pattern.id for pattern in patterns]
    hyperscan, plain = make_engine(patterns, EngineChoice.HYPERSCAN), make_engine(patterns, EngineChoice.RE)
    read(file)  # so that nobody waits for the disk
    timed(size, "only reading it", lambda: read(file))
    timed(size, "wc -l", lambda: subprocess.run(["wc", "-l", str(file)], check=True, stdout=subprocess.DEVNULL))
    fast = timed(size, "hyperscan and re", lambda: scanned(file, hyperscan, ids))
    slow = timed(size, "re alone", lambda: scanned(file, plain, ids))
    if shutil.which("rg"):
        peer = timed(size, "rg -c", ripgrep(file, patterns))
        print(f"hyperscan and re / rg -c: {fast / peer:.2f}")
    if shutil.which("mtail"):
        with tempfile.TemporaryDirectory() as folder:
            part, work = mtail(file, patterns, Path(folder))
            peer = timed(part, "mtail", work)
        print(f"hyperscan and re / mtail: {fast / peer:.0f}; re alone / mtail: {slow / peer:.0f}")


if __name__ == "__main__":
    main()
