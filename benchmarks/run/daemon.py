"""What `remedy run --continuous` costs over an old file: `.venv/bin/python -m benchmarks.run.daemon [--minutes 6]`.

The example of the SQLite flavour, its checks and its rhythm as they are (15 cycles 2 s apart, then 5 minutes), and an
application that writes 20 lines a second, of which one in 1,000 is an error. Memory is PSS, of the whole tree.
"""

import argparse
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import psutil

EXAMPLE = Path(__file__).parents[2] / "examples" / "itsm-sqlite" / "backend"
REMEDY = Path(sys.executable).with_name("remedy")
LINES_PER_SECOND, ERROR_EACH = 20, 1000
SAMPLE_SECONDS = 5.0


def family(process: psutil.Process) -> list[psutil.Process]:
    """Return a process and all that it started."""
    return [process, *process.children(recursive=True)]


def pss(processes: list[psutil.Process]) -> int:
    """Return the memory that they have for themselves, and their share of what they share, in bytes."""
    return sum(each.memory_full_info().pss for each in processes)


def seconds(process: psutil.Process) -> float:
    """Return the processor time of a process and of its children that have ended."""
    times = process.cpu_times()
    return sum((times.user, times.system, times.children_user, times.children_system))


def write_for(log: Path, until: float, written: int) -> int:
    """Write lines as an application does, until a moment of the steady clock; return how many there are now."""
    with log.open("a", encoding="utf-8", buffering=1) as lines:
        while time.monotonic() < until:
            for _ in range(LINES_PER_SECOND):
                written += 1
                wrong = "FileNotFoundError: uploads" if written % ERROR_EACH == 0 else "GET /api/tickets 200 12 ms"
                lines.write(f"2026-11-21 10:00:00 INFO {wrong}\n")
            time.sleep(1)
    return written


def measure(home: Path, minutes: float) -> str:
    """Run it for some minutes; return the figures."""
    log = home / "logs" / "app.log"
    argv = [REMEDY, "run", "--continuous", "--insecure-config", "--config", home / "scripts" / "error_patterns.json"]
    began = time.monotonic()
    process = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    watched, found, written = psutil.Process(process.pid), list[int](), 0
    try:
        written = write_for(log, began + 2 * SAMPLE_SECONDS, written)
        start_up = seconds(watched)
        from_then = time.monotonic()
        while time.monotonic() < began + 60 * minutes:
            written = write_for(log, time.monotonic() + SAMPLE_SECONDS, written)
            found.append(pss(family(watched)))
        share = (seconds(watched) - start_up) / (time.monotonic() - from_then)
    finally:
        process.terminate()
        process.wait(60)
    memory = f"PSS {sum(found) / len(found) / 1e6:.0f} MB, at most {max(found) / 1e6:.0f} MB"
    return f"{memory}; {100 * share:.2f} % of a core, and {start_up:.1f} s of it to start; {written} lines"


def main() -> None:
    """Print the figures."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--minutes", type=float, default=6.0)
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "backend"
        shutil.copytree(EXAMPLE, home)
        (home / "logs").mkdir()
        print(measure(home, options.parse_args().minutes))


if __name__ == "__main__":
    main()
