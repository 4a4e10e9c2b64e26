"""What following a log costs: processor time and lag while it is written at a steady rate, and to take in a backlog.

Where mtail is installed, it follows a log at the same rate right after; it is read of mtail only what it used.

python benchmarks/exporter_follow.py [--rate 2] [--rate 20] [--seconds 10] [--backlog FILE]
"""

import argparse
import itertools
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import psutil

from benchmarks.logs_generate import lines
from benchmarks.logs_scan import mtail_program
from exporters.logs.catalogue import read_folder
from tests.exporters.running import RunningExporter

_TICK = 0.05


def follow(rate: float, seconds: float) -> str:
    """Write `rate` MB/s for some seconds and say what the exporter used of one core, and how far it was behind."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "app.log"
        log.touch()
        exporter = RunningExporter(Path(folder), {"log_sources": [{"name": "app", "path": str(log)}]})
        exporter.start()
        try:
            family = [psutil.Process(exporter.pid), *psutil.Process(exporter.pid).children()]
            before, begun = _used(family), time.monotonic()
            written = write(log, rate, seconds)
            passed, used = time.monotonic() - begun, _used(family) - before
            lag = exporter.metric("log_source_lag_bytes") or 0
            while (exporter.metric("log_source_read_bytes_total") or 0) < written:
                time.sleep(_TICK)
            after = time.monotonic() - begun - passed
            pss = _pss(family)
        finally:
            exporter.stop(signal.SIGTERM)
    cost = f"{100 * used / passed:.2f} % of a core, PSS {pss / 1e6:.0f} MB"
    return f"{rate:g} MB/s: {cost}, lag {lag / 1e6:.2f} MB, level {after:.2f} s after the last line"


def follow_with_mtail(rate: float, seconds: float) -> str:
    """Do the same with mtail; it ends at invalid UTF-8, so there is none."""
    with tempfile.TemporaryDirectory() as folder:
        log, programs = Path(folder) / "app.log", Path(folder) / "programs"
        log.touch()
        programs.mkdir()
        patterns = [pattern for pattern in read_folder() if pattern.builtin]
        (programs / "twelve.mtail").write_text(mtail_program(patterns))
        argv = ["mtail", "--progs", str(programs), "--logs", str(log), "--port", "0", "--address", "127.0.0.1"]
        with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
            try:
                time.sleep(1)
                family = [psutil.Process(process.pid)]
                before, begun = _used(family), time.monotonic()
                write(log, rate, seconds)
                passed, used = time.monotonic() - begun, _used(family) - before
            finally:
                process.terminate()
    return f"{rate:g} MB/s with mtail: {100 * used / passed:.2f} % of a core"


def write(log: Path, rate: float, seconds: float) -> int:
    """Write `rate` MB/s for some seconds; return how many bytes that were."""
    made = [line.decode("utf-8", "ignore").encode() for line in itertools.islice(lines(1, 0.01), 20_000)]
    chunks = itertools.cycle([b"".join(made[start : start + 500]) for start in range(0, len(made), 500)])
    written, begun = 0, time.monotonic()
    with log.open("ab", buffering=0) as out:
        while (passed := time.monotonic() - begun) < seconds:
            while written < rate * 1e6 * passed:
                written += out.write(next(chunks))
            time.sleep(_TICK)
    return written


def take_in(log: Path) -> str:
    """Read a log that is already there, and say what that cost."""
    with tempfile.TemporaryDirectory() as folder:
        source = {"name": "app", "path": str(log), "start_at": "beginning"}
        exporter = RunningExporter(Path(folder), {"log_sources": [source]})
        begun = time.monotonic()
        exporter.start()
        try:
            family = [psutil.Process(exporter.pid), *psutil.Process(exporter.pid).children()]
            most = 0
            while (exporter.metric("log_source_read_bytes_total") or 0) < log.stat().st_size:
                most = max(most, _pss(family))
                time.sleep(_TICK)
            took, used = time.monotonic() - begun, _used(family)
            after = _pss(family)
        finally:
            exporter.stop(signal.SIGTERM)
    cost = f"{took:.1f} s, {used:.1f} s of processor time"
    pss = f"PSS at most {most / 1e6:.0f} MB, after {after / 1e6:.0f} MB"
    return f"backlog of {log.stat().st_size / 1e6:.0f} MB: {cost}, {pss}"


def _pss(family: list[psutil.Process]) -> int:
    return sum(process.memory_full_info().pss for process in family)


def _used(family: list[psutil.Process]) -> float:
    return sum(times.user + times.system for times in (process.cpu_times() for process in family))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, action="append", help="MB/s; may be given several times")
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--backlog", type=Path, help="a log to take in first")
    chosen = parser.parse_args()
    if chosen.backlog:
        print(take_in(chosen.backlog))
    for rate in chosen.rate or [2, 20]:
        print(follow(rate, chosen.seconds))
        if shutil.which("mtail"):
            print(follow_with_mtail(rate, chosen.seconds))


if __name__ == "__main__":
    main()
